"""Configurations that are tried on loopback with the real programs: proven faults, healthy files, hostile ones, and no traces left."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Hashable, Mapping
from pathlib import Path

import pytest
from conftest import needs

from wsbook import validators
from wsbook.case import Case
from wsbook.cli.reading import read_artifacts
from wsbook.evidence import Evidence
from wsbook.facts import RehearsalFacts
from wsbook.finding import Finding, Verdict
from wsbook.observation import Outcome, Reason
from wsbook.parsers.read import read_artifact
from wsbook.steps.changes import PROGRAMS
from wsbook.steps.rehearsing import rehearse
from wsbook.target import Budget, Target, parse_endpoint

NAMES = {"nginx": "nginx.conf", "haproxy": "haproxy.cfg", "caddy": "Caddyfile"}
UPGRADE = (
    """proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; proxy_read_timeout 1h;"""
)
HAPROXY = """global
    log /dev/log local0
    user haproxy
    chroot /var/lib/haproxy
defaults
    mode http
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    errorfile 503 /etc/haproxy/errors/503.http
frontend web
    bind *:80
    bind *:443 ssl crt /etc/haproxy/certs/ alpn h2,http/1.1
    acl is_ws path_beg /ws
    use_backend ws if is_ws
    default_backend pages
backend ws
    {more}
    server a ws-1.internal:8000 check {server}
    server b ws-2.internal:8000 check {server}
backend pages
    server p pages.internal:80
"""


def nginx(location: str, *, http: str = "", listen: str = "listen 80;") -> str:
    return f"""user nginx;
error_log /var/log/nginx/error.log;
pid /run/nginx.pid;
events {{ worker_connections 1024; }}
http {{
    include /etc/nginx/mime.types;
    access_log /var/log/nginx/access.log;
    {http}
    server {{
        {listen}
        server_name shop.example;
        location /ws {{
            {location}
        }}
        location / {{ root /var/www/shop; try_files $uri /index.html; }}
    }}
}}
"""


def caddy(proxy: str) -> str:
    return f"""shop.example {{
    encode gzip
    log {{
        output file /var/log/caddy/access.log
    }}
    handle /ws* {{
        {proxy}
    }}
    handle {{
        root * /var/www/shop
        file_server
    }}
}}
"""


Look = tuple[Evidence, tuple[Finding, ...]]


async def look_at(program: str, text: str, folder: Path, url: str = "") -> Look:
    path = folder / NAMES[program]
    path.write_text(text)
    case = Case(Target(url=url, configs=(str(path),)), Budget.named("thorough"))
    endpoint = parse_endpoint(url, ("ws", "wss")) if url else None
    case.add(*read_artifact(str(path), endpoint_path=endpoint.path if endpoint else "", step="2.2"))
    await rehearse(case, case.evidence.observations)
    return case.evidence, case.judge().findings


def investigate(program: str, text: str, folder: Path, url: str = "") -> Look:
    return asyncio.run(look_at(program, text, folder, url))


def investigate_all(rows: Mapping[Hashable, tuple[str, str, str]], folder: Path) -> dict[Hashable, Look]:
    """Look at (program, text, URL) side by side: most of the time is waiting."""
    gate = asyncio.Semaphore(5)

    async def one(number: int, row: tuple[str, str, str]) -> Look:
        place = folder / str(number)
        place.mkdir()
        async with gate:
            return await look_at(row[0], row[1], place, row[2])

    async def every() -> list[Look]:
        return await asyncio.gather(*(one(number, row) for number, row in enumerate(rows.values())))

    return dict(zip(rows, asyncio.run(every()), strict=True))


def rehearsals(evidence: Evidence) -> list[RehearsalFacts]:
    return [facts for _, facts in evidence.of(RehearsalFacts)]


TLS = "listen 80; listen 443 ssl http2; ssl_certificate /etc/tls/shop.pem; ssl_certificate_key /etc/tls/shop.key;"

FAULTS: dict[str, tuple[str, str, str]] = {
    "nginx sets nothing": ("nginx", nginx("proxy_pass http://ws-1.internal:8000;"), "proxy.upgrade-header-missing"),
    "nginx with TLS": ("nginx", nginx("proxy_pass http://ws-1.internal:8000;", listen=TLS), "proxy.upgrade-header-missing"),
    "nginx at HTTP/1.0": ("nginx", nginx(f"proxy_pass http://a:1; {UPGRADE.replace('1.1', '1.0')}"), "proxy.http-1.0-upstream"),
    "nginx without its map": (
        "nginx",
        nginx("proxy_pass http://a:1; " + UPGRADE.replace('"upgrade"', "$connection_upgrade")),
        "proxy.upgrade-header-missing",
    ),
    "nginx to a TLS port": ("nginx", nginx(f"proxy_pass http://a:443; {UPGRADE}"), "endpoint.plain-to-tls-port"),
    "nginx by a variable": ("nginx", nginx('set $app "http://ws.internal:8000"; proxy_pass $app;'), "proxy.upgrade-header-missing"),
    "haproxy deletes a header": (
        "haproxy",
        HAPROXY.format(more="http-request del-header Upgrade", server=""),
        "proxy.upgrade-header-missing",
    ),
    "haproxy speaks HTTP/2": ("haproxy", HAPROXY.format(more="balance source", server="proto h2"), "proxy.h2-to-upstream"),
    "caddy deletes a header": (
        "caddy",
        caddy("reverse_proxy ws.internal:8000 {\n            header_up -Upgrade\n        }"),
        "proxy.upgrade-header-missing",
    ),
    "caddy speaks HTTP/2": ("caddy", caddy("reverse_proxy h2c://ws.internal:8000"), "proxy.h2-to-upstream"),
}


TRIED = [
    *((name, "wss://shop.example/ws") for name in FAULTS),
    *((name, "") for name in ("nginx sets nothing", "nginx with TLS", "haproxy deletes a header", "caddy deletes a header")),
]


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> dict[Hashable, Look]:
    rows = {(name, url): (*FAULTS[name][:2], url) for name, url in TRIED}
    return investigate_all(rows, tmp_path_factory.mktemp("faults"))


@needs("nginx", "haproxy")
@pytest.mark.parametrize(("name", "url"), TRIED)
def test_a_fault_fails_as_it_is_and_passes_when_changed(name: str, url: str, faults: dict[Hashable, Look]) -> None:
    cause = FAULTS[name][2]
    evidence, findings = faults[name, url]
    facts = next(one for one in rehearsals(evidence) if cause in one.causes)
    assert facts.after is not None
    assert (facts.before.accepted, facts.after.accepted, facts.after.status) == (None if "map" in name else False, True, 101)
    (finding,) = [one for one in findings if one.cause == cause and one.verdict is Verdict.FAULT]
    assert "Tried: " in finding.remedy
    assert facts.diff in finding.remedy


@needs("nginx")
def test_changes_that_help_only_together_are_printed_together(tmp_path: Path) -> None:
    _, findings = investigate("nginx", nginx("proxy_pass http://a; proxy_http_version 2;", http="upstream a { server b:1; }"), tmp_path)
    (finding,) = [one for one in findings if one.cause == "proxy.upgrade-header-missing"]
    assert "Tried: " in finding.remedy


LIMITS: dict[str, tuple[str, str, str]] = {
    "nginx by default": (
        "nginx",
        nginx(f"proxy_pass http://a:1; {UPGRADE.replace('proxy_read_timeout 1h;', '')}"),
        "proxy.idle-timeout-nginx",
    ),
    "nginx by the server": (
        "nginx",
        nginx(f"proxy_pass http://a:1; {UPGRADE.replace('proxy_read_timeout 1h;', '')}", listen="listen 80; proxy_read_timeout 20s;"),
        "proxy.idle-timeout-nginx",
    ),
    "haproxy without tunnel": (
        "haproxy",
        HAPROXY.format(more="", server="").replace("client 1h", "client 50s").replace("server 1h", "server 50s"),
        "proxy.idle-timeout-haproxy",
    ),
    "caddy ends streams": (
        "caddy",
        caddy("reverse_proxy ws.internal:8000 {\n            stream_timeout 45s\n        }"),
        "proxy.max-lifetime",
    ),
}


@pytest.fixture(scope="module")
def limits(tmp_path_factory: pytest.TempPathFactory) -> dict[Hashable, Look]:
    rows = {name: (*row[:2], "wss://shop.example/ws") for name, row in LIMITS.items()}
    return investigate_all(rows, tmp_path_factory.mktemp("limits"))


@needs("nginx", "haproxy")
@pytest.mark.parametrize("name", LIMITS)
def test_a_silent_socket_dies_of_the_limit_and_lives_when_it_is_changed(name: str, limits: dict[Hashable, Look]) -> None:
    cause = LIMITS[name][2]
    evidence, findings = limits[name]
    (facts,) = [one for one in rehearsals(evidence) if cause in one.causes]
    assert facts.after is not None
    assert (facts.before.accepted, facts.after.accepted, facts.scale < 1) == (True, True, True)
    assert (facts.before.closed_after_s is None, facts.after.closed_after_s) == (False, None)
    (finding,) = [one for one in findings if one.cause == cause and one.verdict is not Verdict.CLEAR]
    assert "closes a silent socket after" in finding.remedy


HEALTHY: dict[str, tuple[str, str]] = {
    "nginx": ("nginx", nginx(f"proxy_pass http://ws.internal:8000; {UPGRADE}")),
    "nginx with TLS and upstreams": (
        "nginx",
        nginx(f"proxy_pass http://ws; {UPGRADE}", http="upstream ws { ip_hash; server a:1; server b:1; keepalive 8; }", listen=TLS),
    ),
    "haproxy": ("haproxy", HAPROXY.format(more="balance leastconn", server="")),
    "caddy": ("caddy", caddy("reverse_proxy ws.internal:8000")),
}


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> dict[Hashable, Look]:
    rows = {name: (*row, "wss://shop.example/ws") for name, row in HEALTHY.items()}
    return investigate_all(rows, tmp_path_factory.mktemp("healthy"))


@needs("nginx", "haproxy")
@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_file_passes_the_upgrade(name: str, healthy: dict[Hashable, Look]) -> None:
    evidence, findings = healthy[name]
    (facts,) = rehearsals(evidence)
    assert (facts.before.accepted, facts.after, facts.product) == (True, None, HEALTHY[name][0])
    assert [one.cause for one in findings if one.verdict is Verdict.FAULT] == []


@pytest.mark.parametrize("program", PROGRAMS.values())
def test_without_the_program_nothing_is_claimed(program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validators, "find_program", lambda name: None)
    _, text, cause = next(row for row in FAULTS.values() if row[0] == program)
    evidence, findings = investigate(program, text, tmp_path)
    (seen,) = [one for one in evidence.observations if one.source.probe == "rehearsal"]
    assert (seen.outcome, seen.failure and seen.failure.reason) == (Outcome.NOT_RUN, Reason.TOOL_MISSING)
    (finding,) = [one for one in findings if one.cause == cause and one.verdict is Verdict.FAULT]
    assert "Tried" not in finding.remedy


MARK = Path(tempfile.gettempdir()) / "wsbook-test-written"
PROXIED = f"proxy_pass http://a:1; {UPGRADE}"


@needs("nginx")
def test_a_change_of_an_included_file_is_tried(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "shop.conf").write_text(
        "server {\n    listen 80;\n    location /ws {\n        proxy_pass http://a:1;\n    }\n}\n"
    )
    text = "events {}\nhttp {\n    include /etc/nginx/conf.d/*.conf;\n}\n"
    path = tmp_path / "nginx.conf"
    path.write_text(text)
    judgement = read_artifacts([path], url="ws://shop.example/ws", prove=True)
    assert "Tried: nginx" in judgement.findings[0].remedy
    assert f"+++ {tmp_path}/conf.d/shop.conf" in judgement.findings[0].remedy
    assert path.read_text() == text


@needs("nginx")
def test_a_dump_of_several_files_is_tried(tmp_path: Path) -> None:
    included = "server {\n    listen 80;\n    location /ws {\n        proxy_pass http://a:1;\n    }\n}\n"
    main = "events {}\nhttp {\n    include /etc/nginx/conf.d/*.conf;\n}\n"
    dump = f"# configuration file /etc/nginx/nginx.conf:\n{main}\n# configuration file /etc/nginx/conf.d/shop.conf:\n{included}"
    evidence, findings = investigate("nginx", dump, tmp_path, "ws://shop.example/ws")
    assert "Tried: nginx" in findings[0].remedy
    assert "+++ /etc/nginx/conf.d/shop.conf" in findings[0].remedy
    assert any(facts.after is not None and facts.after.accepted for facts in rehearsals(evidence))


@needs("haproxy")
def test_fragments_get_what_they_leave_out(tmp_path: Path) -> None:
    texts = {
        "haproxy": "backend ws\n    mode http\n    http-request del-header Upgrade\n    server a ws.internal:80\n",
        "caddy": "reverse_proxy ws.internal:80 {\n    header_up -Upgrade\n}\n",
    }
    for program, text in texts.items():
        _, findings = investigate(program, text, tmp_path)
        assert "Tried: " in next(one for one in findings if one.cause == "proxy.upgrade-header-missing").remedy


HOSTILE: dict[str, tuple[str, str, bool]] = {
    "nginx writes its log elsewhere": ("nginx", nginx(f"access_log {MARK}; {PROXIED}"), True),
    "nginx loads a module": ("nginx", "load_module /tmp/evil.so;\n" + nginx(PROXIED), True),
    "nginx runs Lua": ("nginx", nginx(f"access_by_lua_block {{ io.open('{MARK}', 'w') }} {PROXIED}"), False),
    "nginx runs Perl": ("nginx", nginx(f"perl 'sub {{ 1 }}'; {PROXIED}"), False),
    "nginx includes elsewhere": ("nginx", nginx(f"include /etc/passwd; {PROXIED}"), False),
    "nginx stores what comes": ("nginx", nginx(f"proxy_store {MARK}; {PROXIED}"), True),
    "nginx maps a file": ("nginx", nginx(PROXIED, http="map $uri $x { include /etc/passwd; }"), False),
    "nginx hides a directive in a name": ("nginx", nginx(PROXIED, http=f'map $uri $x {{ "a; }} access_log {MARK}; #" 1; }}'), True),
    "haproxy loads Lua": ("haproxy", "global\n    lua-load /tmp/evil.lua\n" + HAPROXY.format(more="", server=""), True),
    "haproxy runs Lua": ("haproxy", HAPROXY.format(more="http-request lua.evil", server=""), False),
    "haproxy runs a program": ("haproxy", HAPROXY.format(more="", server="") + f"program evil\n    command touch {MARK}\n", True),
    "haproxy checks by a program": (
        "haproxy",
        HAPROXY.format(more=f"option external-check\n    external-check command {MARK}", server=""),
        True,
    ),
    "haproxy answers with a file": ("haproxy", HAPROXY.format(more="http-request deny errorfiles /etc/passwd", server=""), False),
    "haproxy reads a map": ("haproxy", HAPROXY.format(more="http-request set-path %[path,map(/etc/passwd)]", server=""), False),
    "haproxy hides a line": ("haproxy", HAPROXY.format(more='http-request set-header X "a\\nprogram b"', server=""), True),
    "caddy answers with a file": ("caddy", caddy("respond {file./etc/passwd}"), False),
    "caddy imports elsewhere": ("caddy", caddy("import /etc/passwd"), False),
    "caddy writes its log elsewhere": ("caddy", caddy("reverse_proxy a:1").replace("/var/log/caddy/access.log", str(MARK)), True),
    "caddy serves the disk": ("caddy", "shop.example {\n    root * /etc\n    reverse_proxy /ws a:1\n    file_server browse\n}\n", True),
}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> dict[Hashable, Look]:
    rows = {name: (program, text, "ws://shop.example/ws") for name, (program, text, _) in HOSTILE.items()}
    return investigate_all(rows, tmp_path_factory.mktemp("hostile"))


@needs("nginx", "haproxy")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_runs_and_writes_nothing(name: str, hostile: dict[Hashable, Look]) -> None:
    tried = HOSTILE[name][2]
    evidence, findings = hostile[name]
    assert not MARK.exists()
    looks = [one for one in evidence.observations if one.source.probe == "rehearsal"]
    assert [one.facts is not None and one.facts.before.accepted for one in looks[:1]] in ([tried], [] if not tried else [True])
    assert "root:" not in str(looks) + str(findings)


def leftovers() -> set[str]:
    return {path.name for path in Path(tempfile.gettempdir()).glob("wsbook-*") if path.is_dir()}


def running() -> list[str]:
    """Return what our own children are."""
    pids = [pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]
    return [pid for pid in pids if "wsbook-" in command(pid)]


def command(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


@needs("nginx")
async def test_a_cancelled_trial_leaves_no_process_and_no_folder(tmp_path: Path) -> None:
    before = leftovers()
    path = tmp_path / "nginx.conf"
    path.write_text(FAULTS["nginx sets nothing"][1])
    case = Case(Target(url="", configs=(str(path),)), Budget.named("quick"))
    case.add(*read_artifact(str(path), step="2.2"))
    trial = asyncio.create_task(rehearse(case, case.evidence.observations))
    async with asyncio.timeout(10):
        while not running():  # noqa: ASYNC110 - a process of another program tells nobody
            await asyncio.sleep(0.005)
    trial.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trial
    async with asyncio.timeout(10):
        while running() or leftovers() - before:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def processes(mark: str) -> list[int]:
    """Return the processes whose command or environment names a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found += [int(path.parent.name)] if mark in path.read_text() + (path.parent / "environ").read_text(errors="replace") else []
    return found


@needs("nginx")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_when_the_command_ends_so_does_what_it_started(how: signal.Signals, tmp_path: Path) -> None:
    path, folder = tmp_path / "nginx.conf", tmp_path / "private"
    folder.mkdir()
    path.write_text(nginx("proxy_pass http://a:1;"))
    command = [sys.executable, "-m", "wsbook", "read", str(path), "--prove"]
    with subprocess.Popen(command, env={**os.environ, "TMPDIR": str(folder)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as read:
        deadline = time.monotonic() + 20
        while not any(pid != read.pid for pid in processes(str(folder))) and time.monotonic() < deadline:
            assert read.poll() is None
            time.sleep(0.002)
        read.send_signal(how)
        read.wait(timeout=10)
    deadline = time.monotonic() + 5
    while processes(str(folder)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert processes(str(folder)) == []
    assert how is signal.SIGKILL or list(folder.iterdir()) == []


@needs("nginx")
def test_files_alone_are_tried_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "nginx.conf"
    path.write_text(nginx("proxy_pass http://a:1;"))
    told, proven = (read_artifacts([path], url="ws://shop.example/ws", prove=prove) for prove in (False, True))
    assert ["Tried: nginx" in judgement.findings[0].remedy for judgement in (told, proven)] == [False, True]
    assert all("+            proxy_set_header Upgrade $http_upgrade;" in judgement.findings[0].remedy for judgement in (told, proven))
