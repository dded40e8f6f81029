"""Step 4.1: what it needs, what it suggests, and that commands of a record are not started."""

from pathlib import Path
from typing import Any

import pytest

from wsbook import cli
from wsbook.case import Case
from wsbook.errors import UsageError
from wsbook.facts import TraceFacts
from wsbook.observation import Outcome, Reason
from wsbook.parameters import target_from
from wsbook.probes.publish_redis import channel_of
from wsbook.record import Record
from wsbook.target import Budget, parse_target


async def test_without_a_trigger_the_likely_route_is_named(tmp_path: Path) -> None:
    source = tmp_path / "app.js"
    source.write_text("const io = 1;\napp.post('/publish', (req, res) => { io.emit('news', req.body); });")
    with Case(parse_target("ws://127.0.0.1:9/ws", backend=[str(tmp_path)]), Budget.named("quick")) as case:
        (seen,) = (await case.run("4.1")).observations
    assert seen.failure is not None and seen.failure.reason is Reason.NOT_GIVEN
    assert f"--trigger 'POST http://127.0.0.1:9/publish BODY' ({source}:2)" in seen.failure.message


async def test_without_anything_it_says_what_to_give() -> None:
    with Case(parse_target("ws://127.0.0.1:9/ws"), Budget.named("quick")) as case:
        (seen,) = (await case.run("4.1")).observations
    assert seen.failure is not None and seen.failure.message.endswith("give trigger or message with {marker}")


def _record(folder: Path, touched: Path, **more: Any) -> Path:
    """Make a record as somebody else's, whose trigger is a command."""
    target = parse_target("ws://127.0.0.1:9/ws", trigger=f"RUN /usr/bin/touch {touched} {{marker}}", **more)
    record = Record.create(folder, target)
    record.finish("4.1", 1.0)
    record.write_json("findings.json", {"steps": {}, "findings": [], "root_causes": []})
    return folder


@pytest.fixture
def wsbook(monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(*words: str) -> int | str | None:
        monkeypatch.setattr("sys.argv", ["wsbook", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code

    return run


def test_replay_starts_no_command_of_a_record(tmp_path: Path, wsbook: Any, capsys: pytest.CaptureFixture[str]) -> None:
    folder = _record(tmp_path / "record", tmp_path / "touched")
    assert wsbook("replay", str(folder)) == 2
    said = capsys.readouterr().err
    assert "/usr/bin/touch" in said and "--run-command" in said and len(said.strip().splitlines()) == 1
    assert not (tmp_path / "touched").exists()


def test_replay_starts_it_when_the_person_says_so(tmp_path: Path, wsbook: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def replay_notebooks(record: Path, parameters: dict[str, Any], **more: Any) -> None:
        asked.append(parameters)
        raise UsageError("far enough")

    monkeypatch.setattr("wsbook.cli.replaying.replay_notebooks", replay_notebooks)
    wsbook("replay", str(_record(tmp_path / "record", tmp_path / "touched")), "--run-command")
    trigger = target_from({name: value for name, value in asked[0].items() if name != "budget"}).trigger
    assert trigger is not None and trigger.kind == "command" and not trigger.foreign


@pytest.mark.parametrize("step", ["3.2", "4.1"])
async def test_a_record_that_is_gone_on_with_starts_no_command(tmp_path: Path, step: str) -> None:
    from websockets.asyncio.server import serve

    async def quiet(peer: Any) -> None:
        async for _ in peer:
            pass

    async with serve(quiet, "127.0.0.1", 0) as server:
        folder = _record(tmp_path / "record", tmp_path / "touched")
        file = folder / "target.toml"
        file.write_text(file.read_text().replace("127.0.0.1:9", f"127.0.0.1:{server.sockets[0].getsockname()[1]}"))
        with Case.resume(folder) as case:
            seen = (await case.run(step)).observations
    assert not (tmp_path / "touched").exists()
    assert any(one.outcome is Outcome.NOT_RUN and one.failure is not None and "--run-command" in one.failure.message for one in seen)
    assert not any(isinstance(one.facts, TraceFacts) for one in seen)
    assert "foreign" not in file.read_text() and "foreign" not in (folder / "findings.json").read_text()


def test_a_password_that_is_typed_in_clear_stands_nowhere(tmp_path: Path) -> None:
    target = target_from(
        {
            "url": "ws://127.0.0.1:9/",
            "trigger": "PUBLISH redis://:pa55word@127.0.0.1:6379/news {marker}",
            "broker": "redis://me:s3cr3t@127.0.0.1:6379/news",
        }
    )
    Record.create(tmp_path / "record", target)
    written = (tmp_path / "record" / "target.toml").read_text()
    assert "pa55word" not in written and "s3cr3t" not in written and "${env:" in written
    assert target.trigger is not None and channel_of(target.trigger.url) == "news" and channel_of(target.broker) == "news"
