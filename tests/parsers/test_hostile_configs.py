"""Hostile configurations of every kind: one sentence or observations, below two seconds, nothing read outside the folder, nothing started.

All files of one kind are read in a process of its own. Its audit hook sees what is opened and started, and a clock of its CPU time ends
what hangs. Templates stand in hostile_configs.toml.
"""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from wsbook.words import plain

TEMPLATES: dict[str, dict[str, Any]] = tomllib.loads(Path(__file__).with_name("hostile_configs.toml").read_text(encoding="utf-8"))
CPU_S, STUCK_S = 3.0, 3.0
"""For one look: two seconds, and room for a busy machine; and for all looks at one file."""
SECRET = "SECRET-OUTSIDE"
VALIDATORS = {"caddy", "nginx", "haproxy", "apache2", "httpd", Path(sys.executable).name}
"""Programs that may be asked about a copy of the text below the temporary folder; Python confines them."""

READ_WATCHED = r"""
import json, os, resource, signal, sys, tempfile
from pathlib import Path
import wsbook.rules
from msgspec.structs import replace
from wsbook.errors import WsbookError
from wsbook.evidence import Evidence
from wsbook.parsers import proxies
from wsbook.parsers.read import read_artifact
from wsbook.target import parse_target

kind, secret, path = sys.argv[1], sys.argv[2], sys.argv[3]
opened, started, starts = set(), set(), ("subprocess.", "os.exec", "os.posix_spawn", "os.system", "os.fork", "socket.", "pty.")
class Stuck(BaseException): pass
def stop(*_): raise Stuck
def watch(event, args):
    if event == "open" and isinstance(args[0], (str, bytes)):
        opened.add(os.path.realpath(os.fsdecode(args[0])))
    elif event.startswith(starts):
        started.add(os.path.basename(os.fsdecode(args[0])) if event == "subprocess.Popen" else event)
def spent():
    every = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(used.ru_utime + used.ru_stime for used in every)
def looks(file):
    text = file.read_bytes().decode("utf-8", "replace")
    yield lambda: read_artifact(str(file), kind=kind, endpoint_path=path)
    if kind in proxies.KINDS:
        yield lambda: proxies.parse_config(text, kind=kind, artifact=str(file), endpoint_path=path, folder=str(file.parent))
def read(file):
    for look in looks(file):
        before = spent()
        try:
            seen = [replace(one, id=f"2.2-{n}") for n, one in enumerate(look())]
            yield "", repr(seen)
            yield "", repr(wsbook.rules.judge(Evidence(parse_target("wss://a.example" + path), seen)))
        except WsbookError as error:
            yield f"{type(error).__name__}: {error}", ""
        looked.append(round(spent() - before, 2))

looked = []
list(read(Path(sys.argv[4]) / "warm"))
sys.addaudithook(watch)
signal.signal(signal.SIGVTALRM, stop)
ours = (sys.prefix + os.sep, sys.base_prefix + os.sep, os.path.dirname(wsbook.__file__) + os.sep,
    os.path.join(os.path.realpath(tempfile.gettempdir()), "wsbook-"), os.devnull)
for file in sorted(Path(sys.argv[4]).glob("case*")):
    opened.clear(), started.clear()
    looked, sentences, leaks, trouble = [], [], False, ""
    signal.setitimer(signal.ITIMER_VIRTUAL, float(sys.argv[5]))
    try:
        for sentence, shown in read(file):
            sentences.append(sentence)
            leaks |= secret in shown
    except Stuck:
        trouble = "stuck"
    except Exception as error:
        trouble = f"{type(error).__name__}: {error}"[:300]
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    away = sorted(one for one in opened if not one.startswith((*ours, os.path.realpath(file.parent) + os.sep)))
    print(json.dumps([file.name, sentences, leaks, trouble, away[:5], sorted(started), max(looked, default=0)]), flush=True)
"""

EXPONENTIAL = {
    "nested repeats": "^/(a+)+$",
    "alternatives that overlap": "^/(a|a)*$",
    "alternatives of two lengths": "^/(a|aa)+$",
    "optional letters": "^/" + "a?" * 30 + "a" * 70 + "$",
    "dots in a counted group": "^/(.*a){25}$",
    "words and separators": "^/([a-z]+.?)*$",
    "many stars": "^/" + ".*" * 12 + "b$",
    "two groups": "^/(a*)(a*)*b$",
}
LONG_PATH = "/" + "a" * 64 + "!"
LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(14)
)
COLOURS = "\x1b[31mred\x1b]0;title\x07\u202e\u2066bidi\u2069\x9b2J"


def _include(path: str) -> Callable[[dict[str, Any]], str]:
    return lambda kind: str(kind["include"]).replace("@", path)


def _blocks(count: int = 0, size: int = 0) -> Callable[[dict[str, Any]], str]:
    def fill(kind: dict[str, Any]) -> str:
        head, block, tail = kind["block"]
        return head + "".join(block.replace("%d", str(n)) for n in range(count or size // (len(block) + 4))) + tail

    return fill


ATTACKS: dict[str, Callable[[dict[str, Any]], str | bytes]] = {
    "empty": lambda kind: "",
    "one NUL": lambda kind: _include("x")(kind) + "\0",
    "invalid UTF-8": lambda kind: _include("x")(kind).encode() + b"# \xff\xfe\xc3(\n",
    "include of itself": _include("ITSELF"),
    "include of all beside it": _include("*"),
    "include of a link": _include("link.conf"),
    "include below a link": _include("linked/secret.conf"),
    "include above": _include("../outside/secret.conf"),
    "include by its full path": _include("OUTSIDE/secret.conf"),
    "include of passwd": _include("/etc/passwd"),
    "include of all of etc": _include("/etc/*"),
    "include of a device": _include("/dev/zero"),
    "include of a pipe": _include("pipe"),
    "include of the network": _include("https://127.0.0.1:1/x"),
    "laughs": lambda kind: LAUGHS + _include("x")(kind),
    "one line of ten megabytes": _include("x" * 2_500_000),
    "one line of nearly a megabyte": _include("x" * 180_000),
    "a hundred thousand blocks": _blocks(count=100_000),
    "nearly a megabyte of blocks": _blocks(size=980_000),
    "deep": lambda kind: kind["nest"][0] * 30_000,
    "deep and closed": lambda kind: kind["nest"][0] * 2_000 + kind["nest"][1] * 2_000,
    "deep lists": lambda kind: "kind: Ingress\nroute_config: " + "[" * 20_000,
    "colours in names": lambda kind: _include(COLOURS)(kind).replace("/ws", f"/{COLOURS}") + f"\n# {COLOURS}\n",
    "colours alone": lambda kind: COLOURS * 1000,
    **{f"pattern of {name}": lambda kind, p=p: str(kind["pattern"]).replace("@", p) for name, p in EXPONENTIAL.items()},  # type: ignore[misc]
}


def _write(kind: str, folder: Path) -> Path:
    """Lay out the files of one kind beside links, a pipe, and a secret outside; return the folder that holds them."""
    outside, inside = folder / "outside", folder / "inside"
    outside.mkdir(), inside.mkdir()
    (outside / "secret.conf").write_text(f"location /{SECRET} {{ proxy_pass http://{SECRET}; }}\n{SECRET}: 1\n")
    (inside / "link.conf").symlink_to(outside / "secret.conf")
    (inside / "linked").symlink_to(outside)
    os.mkfifo(inside / "pipe")
    (inside / "warm").write_text(_include("x")(TEMPLATES[kind]))
    for number, attack in enumerate(ATTACKS.values()):
        content, name = attack(TEMPLATES[kind]), f"case{number:02}.conf"
        data = content if isinstance(content, bytes) else content.encode()
        (inside / name).write_bytes(data.replace(b"ITSELF", name.encode()).replace(b"OUTSIDE/", f"{outside}/".encode()))
    return inside


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, list[Any]]]:
    @cache
    def read(kind: str) -> dict[str, list[Any]]:
        folder = _write(kind, tmp_path_factory.mktemp(kind))
        command = [sys.executable, "-c", READ_WATCHED, kind, SECRET, LONG_PATH, str(folder), str(STUCK_S)]
        shown = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        found = dict(zip(ATTACKS, (json.loads(line) for line in shown.stdout.splitlines()), strict=False))
        assert len(found) == len(ATTACKS), f"after {list(found)[-1:]}: exit {shown.returncode}: {shown.stderr[-1500:]}"
        return found

    return read


def _rows() -> list[Any]:
    return [pytest.param(kind, attack, id=f"{kind}, {attack}") for kind in TEMPLATES for attack in ATTACKS]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a clock of CPU time that interrupts")
@pytest.mark.parametrize(("kind", "attack"), _rows())
def test_a_hostile_configuration_harms_nobody(kind: str, attack: str, rows: Callable[[str], dict[str, list[Any]]]) -> None:
    _, sentences, leaks, trouble, away, started, cpu_s = rows(kind)[attack]
    assert trouble == ""
    assert (leaks, away) == (False, [])
    assert set(started) <= VALIDATORS
    assert [s for s in sentences if s.count("\n") or s != plain(s) or len(s) > 500] == []
    assert all(s == "" or s.startswith("UnreadableInputError: ") for s in sentences)
    assert cpu_s < CPU_S


NAMED = {
    "nginx.conf": "server { listen 80; location /ws { proxy_pass http://@; } }",
    "haproxy.cfg": "frontend f@\n mode http\n bind :80\n http-request del-header Upgrade\n default_backend b\nbackend b\n server s b:1\n",
    "Caddyfile": "a.example {\n reverse_proxy /ws@ b:1 {\n  header_up -Upgrade\n }\n}\n",
    "httpd.conf": "<VirtualHost *:80>\n ProxyPass /ws http://b/@\n</VirtualHost>\n",
}


def test_names_do_not_steer_the_terminal(tmp_path: Path) -> None:
    for name, text in NAMED.items():
        (tmp_path / name).write_text(text.replace("@", COLOURS.replace("]0;", "")), encoding="utf-8")
    command = [sys.executable, "-m", "wsbook", "read", *(str(tmp_path / name) for name in NAMED)]
    colourless = {**os.environ, "NO_COLOR": "1"}
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=colourless)
    assert shown.returncode == 1, shown.stderr[-500:]
    assert "\\x1b[31mred" in shown.stdout
    assert shown.stdout + shown.stderr == plain(shown.stdout + shown.stderr)
