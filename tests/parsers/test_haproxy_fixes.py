"""Changes of HAProxy configurations: each removes its defect, and HAProxy accepts the result."""

import subprocess
from pathlib import Path

import pytest
from conftest import needs
from parsers.fixed import applied, fixes, troubles

from wsbook.programs import find_program

HEAD = "defaults\n  mode http\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n"
SHORT = "defaults\n\tmode http\n\ttimeout connect 5s\n\ttimeout client 50s # short\n\ttimeout server 50000\n"
LISTEN = "listen ws\n  bind 127.0.0.1:8080\n"
FRONT = "frontend f\n  bind 127.0.0.1:8080\n"

BROKEN = {
    "headers deleted": (
        HEAD + LISTEN + "  http-request del-header Upgrade\n  http-request set-header Connection close\n  server s 127.0.0.1:1\n",
        {"proxy.upgrade-header-missing"},
    ),
    "deleted in the frontend": (
        HEAD + FRONT + "  http-request del-header Connection\n  default_backend b\nbackend b\n  server s 127.0.0.1:1\n",
        {"proxy.upgrade-header-missing"},
    ),
    "limit of the defaults": (SHORT + LISTEN + "  server s 127.0.0.1:1\n", {"idle"}),
    "limit of the frontend": (
        HEAD + FRONT + "  timeout client 20s\n  default_backend b\nbackend b\n  balance source\n  server s 127.0.0.1:1\n",
        {"idle"},
    ),
    "limit of the backend": (HEAD + FRONT + "  default_backend b\nbackend b\n  timeout server 20s\n  server s 127.0.0.1:1\n", {"idle"}),
    "limit of tunnels": (HEAD + "  timeout tunnel 30s   # tunnels\n" + LISTEN + "  server s 127.0.0.1:1\n", {"idle"}),
    "named defaults": (
        SHORT.replace("defaults", "defaults http") + FRONT.replace("\n", " from http\n", 1) + "  default_backend b\n"
        "backend b from http\n  server s 127.0.0.1:1\n",
        {"idle"},
    ),
    "proto h2": (HEAD + LISTEN + "  server s 127.0.0.1:1 proto h2\n", {"haproxy.h2-to-upstream"}),
    "alpn h2": (HEAD + LISTEN + "  server s 127.0.0.1:1 ssl verify none alpn h2 check # tls\n", {"haproxy.h2-to-upstream"}),
    "ws h2": (HEAD + LISTEN + "  server s 127.0.0.1:1 ws h2\n", {"haproxy.h2-to-upstream"}),
    "plain to 443": (HEAD + LISTEN + "  server s 127.0.0.1:443 check # plain\n", {"haproxy.plain-to-tls-port"}),
    "two plain to 443": (
        HEAD + LISTEN + "  balance source\n  server s 127.0.0.1:443\n  server t localhost:443\n",
        {"haproxy.plain-to-tls-port"},
    ),
    "no affinity": (
        HEAD + FRONT + "  use_backend b if { path_beg /socket.io }\nbackend b\n  balance roundrobin\n  server s 127.0.0.1:1 # one\n"
        "  server t 127.0.0.1:2\n",
        {"haproxy.no-stickiness"},
    ),
    "no affinity in TCP": (
        HEAD.replace("mode http", "mode tcp") + "listen socket.io\n  bind 127.0.0.1:8080\n  balance leastconn\n  server s 127.0.0.1:1\n"
        "  server t 127.0.0.1:2\n",
        {"haproxy.no-stickiness"},
    ),
    "cookie without names": (
        HEAD + FRONT + "  use_backend b if { path_beg /socket.io }\nbackend b\n  cookie S insert\n  server s 127.0.0.1:1\n"
        "  server t 127.0.0.1:2\n",
        {"haproxy.no-stickiness"},
    ),
    "scheme ws": (
        HEAD + LISTEN + '  http-request set-header X-Forwarded-Proto "wss"\n  server s 127.0.0.1:1\n',
        {"haproxy.forwarded-proto-wrong"},
    ),
    "case of an ACL": (
        HEAD + FRONT + "  acl u hdr(Upgrade) WebSocket\n  use_backend b if u\nbackend b\n  server s 127.0.0.1:1\n",
        {"haproxy.upgrade-acl-case"},
    ),
}


@pytest.mark.parametrize(("text", "expected"), BROKEN.values(), ids=BROKEN)
@needs("haproxy")
def test_the_fixes_remove_their_defects_and_are_accepted(text: str, expected: set[str], tmp_path: Path) -> None:
    assert troubles(text, "haproxy_cfg") == expected
    while found := dict(fixes(text, "haproxy_cfg")):
        trouble, fix = found.popitem()
        assert trouble in expected
        text = applied(text, fix)
        (tmp_path / "haproxy.cfg").write_text(text)
        command = [str(find_program("haproxy")), "-c", "-f", "haproxy.cfg"]
        shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert shown.returncode == 0, shown.stderr
    assert troubles(text, "haproxy_cfg") == set()
