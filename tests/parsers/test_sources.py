"""Which files of a folder are read, and in what bounds."""

import time
from pathlib import Path

import pytest

from wsbook.errors import UsageError
from wsbook.facts import EndpointFacts, PatternFacts, TextFacts
from wsbook.parsers.code.sources import parse_source_text, parse_sources


def test_the_total_counts_what_was_read_and_what_was_not(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text("new WebSocket('wss://h.test/ws')")
    (tmp_path / "large.js").write_text("x" * 1_000_001)
    (tmp_path / "binary.js").write_bytes(b"a\0b")
    (tmp_path / "notes.txt").write_text("new WebSocket('wss://other.test')")
    total = parse_sources([str(tmp_path)], side="frontend", step="1.1")[0].facts
    assert isinstance(total, TextFacts)
    assert (total.kind, total.items, total.unparsed, total.size_bytes) == ("frontend_source", 1, 2, 32)


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a.js").write_text("new WebSocket('wss://h.test')")
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "folder").symlink_to(tmp_path / "outside")
    (tmp_path / "app" / "file.js").symlink_to(tmp_path / "outside" / "a.js")
    assert len(parse_sources([str(tmp_path / "app")], side="frontend", step="1.1")) == 1


@pytest.mark.parametrize(
    ("step", "kinds"), [("1.1", {EndpointFacts, PatternFacts}), ("3.1", {PatternFacts}), ("", {EndpointFacts, PatternFacts})]
)
def test_the_step_chooses_what_is_looked_for(step: str, kinds: set[type]) -> None:
    observations = parse_source_text("const s = new WebSocket('ws://h.test/ws'); s.send('x')", artifact="a.js", side="frontend", step=step)
    assert {type(o.facts) for o in observations[1:]} == kinds
    assert all(o.source.step == step and (o.source.artifact, o.source.line) == ("a.js", 1) for o in observations[1:])


@pytest.mark.parametrize(
    ("text", "library"),
    [
        ("const s = new WebSocket('wss://h.test/ws');\ns.onclose = () => {};", "native"),
        ("<p/><script>new SockJS('/s')</script>", "sockjs"),
    ],
)
def test_the_language_of_a_nameless_text_is_guessed(text: str, library: str) -> None:
    facts = [o.facts for o in parse_source_text(text, artifact="paste", side="frontend", step="1.1")]
    assert [f.library for f in facts if isinstance(f, EndpointFacts)] == [library]


def test_the_side_must_be_known() -> None:
    with pytest.raises(UsageError, match="neither frontend nor backend"):
        parse_source_text("", artifact="a.js", side="server", step="1.1")


@pytest.mark.parametrize("unit", ["a = a + b; new WebSocket(a);\n", "ws.onclose = () => { x };\n", "useEffect(() => { io(u) }, [a]);\n"])
def test_thousands_of_statements_stay_within_seconds(unit: str) -> None:
    before = time.process_time()
    parse_source_text(unit * 2000, artifact="a.tsx", side="frontend", step="")
    assert time.process_time() - before < 5
