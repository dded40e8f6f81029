"""Changes of Caddyfiles: each removes its defect, and Caddy accepts the result."""

import subprocess
from pathlib import Path

import pytest
from parsers.fixed import applied, fixes, troubles

from wsbook.programs import clean_environment, find_program

MISSING = {"proxy.upgrade-header-missing"}

BROKEN = {
    "header_up": (
        "handle /ws* {\n\t\treverse_proxy a:1 {\n\t\t\theader_up -Upgrade\n\t\t\theader_up Connection close\n\t\t}\n\t}", MISSING,
    ),
    "wildcard": ("reverse_proxy a:1 {\n\t\theader_up -Up*\n\t}", MISSING),
    "old placeholders": ("reverse_proxy a:1 {\n\t\theader_up Connection {>Connection}\n\t\theader_up Upgrade {>Upgrade}\n\t}", MISSING),
    "request_header": ("request_header -Connection\n\treverse_proxy a:1", MISSING),
    "limit": ("reverse_proxy a:1 {\n\t\ttransport http {\n\t\t\tread_timeout 30s # short\n\t\t}\n\t}", {"idle"}),
    "lifetime": ("reverse_proxy a:1 {\n\t\tstream_timeout 5m\n\t}", {"proxy.max-lifetime"}),
    "exact path": ("reverse_proxy /socket.io a:1\n\treverse_proxy b:1", {"caddy.exact-matcher"}),
    "exact path with slash": (
        "route /feed/ {\n\t\treverse_proxy a:1\n\t}\n\thandle {\n\t\treverse_proxy b:1\n\t}", {"caddy.exact-matcher"},
    ),
    "exact path of a matcher": ("@s path /socket.io\n\treverse_proxy @s a:1\n\treverse_proxy b:1", {"caddy.exact-matcher"}),
    "exact path in a block": (
        "@s {\n\t\tpath /socket.io/ /x\n\t}\n\treverse_proxy @s a:1\n\treverse_proxy b:1", {"caddy.exact-matcher"},
    ),
    "header tests": (
        "@ws {\n\t\theader Connection Upgrade\n\t\theader Upgrade WebSocket\n\t}\n\treverse_proxy @ws a:1",
        {"caddy.handshake-matcher-too-strict"},
    ),
    "header test in one line": ("@ws header Connection \"Upgrade\"\n\treverse_proxy @ws a:1", {"caddy.handshake-matcher-too-strict"}),
    "prefix stripped": ("handle_path /socket.io/* {\n\t\treverse_proxy a:1\n\t}", {"caddy.library-prefix-stripped"}),
    "h2c versions": ("reverse_proxy a:1 {\n\t\ttransport http {\n\t\t\tversions h2c 2\n\t\t}\n\t}", {"caddy.h2-to-upstream"}),
    "h2 over TLS": (
        "reverse_proxy https://a:443 {\n\t\ttransport http {\n\t\t\tversions 2\n\t\t}\n\t}", {"caddy.h2-to-upstream"},
    ),
    "h2c address": ("reverse_proxy h2c://a:1 # fast", {"caddy.h2-to-upstream"}),
    "plain to 443": ("reverse_proxy http://a:443", {"caddy.plain-to-tls-port"}),
    "no affinity": ("reverse_proxy /socket.io/* a:1 b:1 # two", {"caddy.no-stickiness"}),
    "no affinity in a block": (
        "reverse_proxy /socket.io/* a:1 b:1 {\n\t\tlb_policy least_conn\n\t}", {"caddy.no-stickiness"},
    ),
    "no affinity, other settings": ("reverse_proxy /socket.io/* a:1 b:1 {\n\t\theader_up X 1\n\t}", {"caddy.no-stickiness"}),
}  # fmt: skip


@pytest.mark.parametrize(("site", "expected"), BROKEN.values(), ids=BROKEN)
def test_the_fixes_remove_their_defects_and_are_accepted(site: str, expected: set[str], tmp_path: Path) -> None:
    text = f"http://a.test {{\n\t{site}\n}}\n"
    assert troubles(text, "caddyfile") == expected
    while found := dict(fixes(text, "caddyfile")):
        trouble, fix = found.popitem()
        assert trouble in expected
        text = applied(text, fix)
        if trouble in troubles(text, "caddyfile"):
            break
    assert troubles(text, "caddyfile") == set()
    (tmp_path / "Caddyfile").write_text(text)
    command = [find_program("caddy") or pytest.skip("needs caddy"), "validate", "--config", "Caddyfile", "--adapter", "caddyfile"]
    environment = clean_environment(HOME=str(tmp_path), XDG_DATA_HOME=str(tmp_path))
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=environment)
    assert shown.returncode == 0, shown.stderr + text
