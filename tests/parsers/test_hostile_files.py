"""Nasty files against every kind: one sentence or observations, within bounds of memory and time, and nothing outside the file is touched.

Each file is read as every kind in a process of its own that has a limit of address space and of CPU time.
"""

import gzip
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from wsbook.errors import UnreadableInputError
from wsbook.parsers.detect import KINDS
from wsbook.parsers.read import read_artifact

CPU_S = 60
PEAK_MIB = 700
ADDRESS_SPACE = 3 * 2**30
OUTPUT_BYTES = 4_000_000

READER = r"""
import json, os, re, resource, sys, time
import msgspec
from wsbook.errors import WsbookError
from wsbook.parsers.detect import KINDS
from wsbook.parsers.read import read_artifact, read_text

for kind in KINDS:
    try:
        read_text("x", kind)
    except WsbookError:
        pass

def read_as_every_kind(path):
    resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]), int(sys.argv[1])))
    resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[2]), int(sys.argv[2])))
    for kind in ("", *KINDS):
        started, sentence, size = time.process_time(), "", 0
        try:
            size = len(msgspec.json.encode(read_artifact(path, kind=kind)))
        except WsbookError as error:
            sentence = f"{type(error).__name__}: {error}"
        peak = int(re.search(r"VmHWM:\s+(\d+) kB", open("/proc/self/status").read())[1]) // 1024
        print(json.dumps([kind, sentence, size, time.process_time() - started, peak]), flush=True)

for line in sys.stdin:
    child = os.fork()
    if not child:
        read_as_every_kind(json.loads(line))
        os._exit(0)
    print(json.dumps(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])), flush=True)
"""
"""Reads each file that it is told in a process of its own, forked when every parser has read something: their tables take longest."""

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and limits of resources")


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.log", "ERROR x\n" * 1000)


def _bomb(path: Path) -> None:
    with gzip.open(path, "wb", 9) as file:
        for _ in range(600):
            file.write(bytes(1_000_000))


def _text_bomb(path: Path) -> None:
    with gzip.open(path, "wb", 6) as file:
        for _ in range(3):
            file.write(b"2026-03-12 10:00:00 GET /ws HTTP/1.1\n" * 27_000)


HAR = {
    "log": {
        "version": "1.2",
        "entries": [
            {
                "startedDateTime": "2026-03-12T10:00:00Z",
                "_resourceType": "websocket",
                "request": {"method": "GET", "url": "wss://a.test/ws", "headers": [{"name": "Upgrade", "value": "websocket"}]},
                "response": {"status": 101, "headers": []},
                "_webSocketMessages": [{"type": "send", "time": 1773309600.1, "opcode": 1, "data": "x"}],
            }
        ],
    }
}


def _wrong(value: object) -> object:
    """Return a recording in which every value has another type."""
    if isinstance(value, dict):
        return {key: _wrong(one) if isinstance(one, dict | list) else [one] for key, one in value.items()}
    return {"0": [_wrong(one) for one in value]} if isinstance(value, list) else {"was": value}


def _write(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


FILES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "empty": ("a.log", _write(b"")),
    "one NUL": ("a.txt", _write(b"\0")),
    "NULs": ("a.log", _write(bytes(5_000_000))),
    "one long line": ("a.log", _write(b"a" * 100_000_000)),
    "one long line of brackets": ("nginx.conf", _write(b"server { location / { " * 1_000_000)),
    "many short lines": ("a.txt", _write(b"x\n" * 100_000)),
    "many headers": ("a.http", _write(b"GET /ws HTTP/1.1\r\n" + b"X-A: b\r\n" * 300_000)),
    "deep JSON": ("a.har", _write(b'{"log":' * 1_000_000)),
    "deep lists": ("a.har", _write(b'{"log": {"entries": ' + b"[" * 1_000_000)),
    "deep data in a recording": (
        "a.har",
        _write(json.dumps(HAR).replace('"x"', "[" * 100_000 + "]" * 100_000).encode()),
    ),
    "deep YAML": ("a.yaml", _write(b"kind: Ingress\na: " + b"[" * 100_000)),
    "deep YAML blocks": ("a.yaml", _write(b"".join(b" " * n + b"a:\n" for n in range(3_000)))),
    "YAML laughs": (
        "a.yaml",
        _write(
            b"a: &a [x,x,x,x,x,x,x,x,x]\n"
            + b"".join(b"%c: &%c [%s]\n" % (98 + n, 98 + n, b",".join([b"*%c" % (97 + n)] * 9)) for n in range(12))
        ),
    ),
    "deep code": ("a.ts", _write(b"(" * 400_000)),
    "deep Python": ("a.py", _write(b"f(" * 200_000)),
    "nested templates": ("a.js", _write(b"new WebSocket(" + b"`${" * 20_000)),
    "glued constants": (
        "a.js",
        _write(b"const a0='x';" + b"".join(b"const a%d=a%d+a%d;" % (n + 1, n, n) for n in range(60)) + b"new WebSocket(a60)"),
    ),
    "cut recording": ("a.har", _write(json.dumps(HAR).encode()[:-40])),
    "recording of wrong types": ("a.har", _write(json.dumps({"log": {"entries": [_wrong(HAR["log"]["entries"][0])] * 50}}).encode())),
    "recording of nothing": ("a.har", _write(b'{"log": null}')),
    "recording of huge numbers": ("a.har", _write(json.dumps(HAR).replace("1773309600.1", "1e308").replace("101", "9" * 400).encode())),
    "UTF-16": ("a.log", _write("2026-03-12 10:00:00 ERROR Ünïcode\n".encode("utf-16") * 1)),
    "UTF-16 recording": ("a.har", _write(json.dumps(HAR).encode("utf-16"))),
    "UTF-16 without a mark": ("a.log", _write("ERROR unmarked\n".encode("utf-16-le") * 100)),
    "UTF-32": ("a.log", _write("ERROR wide\n".encode("utf-32") * 10)),
    "latin-1": ("a.log", _write("ERROR café déjà\n".encode("latin-1") * 1000)),
    "broken UTF-8": ("a.conf", _write(b"server { listen 80; # \xff\xfe\xc3(\n}")),
    "zip": ("a.zip", _zip),
    "gzip of zeros": ("a.log.gz", _bomb),
    "gzip of text": ("access.log.gz", _text_bomb),
    "broken gzip": ("a.log.gz", _write(gzip.compress(b"ERROR x\n" * 10_000)[:-20])),
    "gzip by name only": ("a.log.gz", _write(b"2026-03-12 ERROR x\n")),
    "half a zstd": ("a.log.zst", _write(b"\x28\xb5\x2f\xfd\x04\x00")),
    "png": ("a.png", _write(b"\x89PNG\r\n\x1a\n" + os.urandom(4096))),
    "random": ("a.log", _write(os.urandom(1_000_000))),
    "escapes": ("a.log", _write(b"\x1b[31m" * 200_000 + b"\n")),
    "carriage returns": ("a.log", _write(b"ERROR a\r" * 500_000)),
    "signature words": ("a.log", _write(b"upstream timed out (110: Connection timed out) while proxying upgraded connection " * 100_000)),
    "spaces": ("a.txt", _write(b" " * 3_000_000 + b"x")),
    "quotes": ("access.log", _write(b'"' * 200_000 + b"\n" + b'\\"' * 200_000)),
    "colons": ("a.txt", _write(b"a:" * 200_000)),
    "digits": ("a.log", _write(b"1" * 2_000_000)),
    "dates": ("a.log", _write(b"2026-03-12 10:00:00," * 200_000)),
    "close words": ("console.txt", _write(b"close code " * 300_000)),
    "include of itself": ("nginx.conf", lambda path: path.write_text(f"http {{ include {path}; server {{ listen 80; }} }}")),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def reader() -> Iterator[subprocess.Popen[str]]:
    """Yield the process that forks one for each file."""
    command = [sys.executable, "-c", READER, str(ADDRESS_SPACE), str(CPU_S)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.stdin.close()


def run(reader: subprocess.Popen[str], path: Path) -> list[tuple[str, str, int, float, int]]:
    reader.stdin.write(json.dumps(str(path)) + "\n")
    reader.stdin.flush()
    rows: list[tuple[str, str, int, float, int]] = []
    while isinstance(said := json.loads(reader.stdout.readline()), list):
        rows.append(tuple(said))
    assert said == 0, f"after kind {rows[-1][0] if rows else 'none'!r}: exit {said}"
    return rows


@pytest.mark.slow
@needs_linux
@pytest.mark.parametrize("name", FILES)
def test_a_nasty_file_ends_in_a_sentence_or_in_observations(name: str, folder: Path, reader: subprocess.Popen[str]) -> None:
    file, write = FILES[name]
    path = folder / name.replace(" ", "-") / file
    path.parent.mkdir()
    write(path)
    rows = run(reader, path)
    path.unlink()
    assert [row[0] for row in rows] == ["", *KINDS]
    for kind, sentence, size, cpu_s, peak_mib in rows:
        assert sentence.count("\n") == 0, kind
        assert len(sentence) <= 500, kind
        assert sentence == "" or sentence.startswith("UnreadableInputError: "), kind
        assert size <= OUTPUT_BYTES, kind
        assert cpu_s <= 15, kind
        assert peak_mib <= PEAK_MIB, kind


@pytest.mark.parametrize("kind", ["", *KINDS])
def test_what_is_no_file_is_refused_at_once(kind: str, tmp_path: Path) -> None:
    loop, other, pipe = tmp_path / "loop", tmp_path / "other", tmp_path / "pipe.log"
    loop.symlink_to(other)
    other.symlink_to(loop)
    os.mkfifo(pipe)
    (tmp_path / "plain").write_text("x")
    for path in (loop, pipe, "/dev/zero", "/dev/full", tmp_path / "plain" / "below", tmp_path / ("n" * 300), tmp_path / "nothing"):
        with pytest.raises(UnreadableInputError) as caught:
            read_artifact(str(path), kind=kind)
        assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize("kind", ["", *KINDS])
def test_a_file_that_may_not_be_opened_is_refused(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.log"
    path.write_text("2026-03-12 ERROR x\n")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UnreadableInputError, match="Permission denied"):
        read_artifact(str(path), kind=kind)


WATCHED = r"""
import json, os, sys
import wsbook.parsers.proxies, wsbook.parsers.read, wsbook.parsers.code.sources
from wsbook.errors import WsbookError
from wsbook.parsers.detect import KINDS
from wsbook.parsers.read import read_artifact

ours = tuple(os.path.realpath(path) + os.sep for path in (*sys.argv[1:], sys.prefix, sys.base_prefix))
starts = ("subprocess.", "socket.", "os.exec", "os.fork", "os.system", "os.spawn", "os.posix_spawn", "pty.")
touched = set()

def watch(event, args):
    if event == "open" and isinstance(args[0], (str, bytes)) and not os.path.realpath(os.fsdecode(args[0])).startswith(ours):
        touched.add(os.fsdecode(args[0]))
    elif event.startswith(starts):
        touched.add(event)

top = sys.argv[1]
paths = [top, *(path for path in (os.path.join(top, name) for name in os.listdir(top)) if not os.path.islink(path))]
sys.addaudithook(watch)
for kind in ("", *KINDS):
    for path in paths:
        try:
            seen = read_artifact(path, kind=kind)
        except WsbookError:
            continue
        if any("SECRET-OUTSIDE" in repr(one) for one in seen):
            touched.add(f"secret read from {path} as {kind}")
print(json.dumps(sorted(touched)))
"""


@needs_linux
def test_reading_stays_inside_the_folder_and_runs_nothing(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    (outside / "deep").mkdir(parents=True)
    (outside / "secret.conf").write_text("location /SECRET-OUTSIDE { proxy_pass http://SECRET-OUTSIDE; }")
    (outside / "deep" / "app.py").write_text("url = 'ws://SECRET-OUTSIDE/ws'\n@app.websocket('/SECRET-OUTSIDE')\nasync def f(ws): ...")
    (outside / "deep" / "app.js").write_text("new WebSocket('ws://SECRET-OUTSIDE/ws')")
    (outside / "env").write_text("VITE_WS_URL=ws://SECRET-OUTSIDE/ws")
    inside.mkdir()
    for name, target in (
        ("linked", outside / "deep"),
        ("linked.py", outside / "deep" / "app.py"),
        ("linked.js", outside / "deep" / "app.js"),
    ):
        (inside / name).symlink_to(target)
    (inside / ".env").symlink_to(outside / "env")
    os.mkfifo(inside / "pipe.js")
    os.mkfifo(inside / "pipe.log")
    (inside / "loop").symlink_to(inside)
    include = "".join(f"include {path};" for path in (outside / "secret.conf", "../outside/*.conf", "/etc/passwd", inside / "nginx.conf"))
    (inside / "nginx.conf").write_text(f"http {{ {include} server {{ location /ws {{ proxy_pass http://a; }} }} }}")
    (inside / "httpd.conf").write_text(f"Include {outside}/secret.conf\nProxyPass /ws ws://a/ws\n")
    (inside / "Caddyfile").write_text(f"import {outside}/secret.conf\na.test {{\n reverse_proxy b:1\n}}")
    (inside / "haproxy.cfg").write_text(
        f"global\n  lua-load {outside}/secret.conf\ndefaults\n  timeout client 50s\n  errorfile 503 {outside}/env\n"
    )
    (inside / "ingress.yaml").write_text("kind: Ingress\nmetadata: !!python/object/apply:os.system ['touch ran']\n")
    (inside / "evil.py").write_text(
        "import os\nos.system('touch ran')\nfrom fastapi import FastAPI\napp = FastAPI()\n@app.websocket('/x')\nasync def x(w): ..."
    )
    (inside / "evil.js").write_text("new WebSocket(`ws://${require('child_process').execSync('touch ran')}/ws`); import('/etc/passwd')")
    (inside / "package.json").write_text('{"scripts": {"start": "uvicorn --env-file ../outside/env evil:app"}}')
    command = [sys.executable, "-c", WATCHED, str(inside), str(Path(__file__).parents[2])]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr[-1500:]
    assert json.loads(shown.stdout) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inside", "outside"]
