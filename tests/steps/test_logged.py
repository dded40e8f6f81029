"""Our own attempts beside their lines in logs."""

from datetime import UTC, datetime

from wsbook.facts import AccessFacts, LoggedAttemptFacts, UpgradeFacts
from wsbook.observation import Observation, Source, observed
from wsbook.parsers.access_log import parse_access_log
from wsbook.steps.logged import logged_attempts

LINE = '10.0.0.1 - - [12/Mar/2026:10:00:01 +0000] "GET {} HTTP/1.1" 404 5 "-" "{}" 0.002'


def tried(mark: str, url: str = "ws://a.test/rt", changed: str = "", status: int | None = 404) -> tuple[Observation, UpgradeFacts]:
    facts = UpgradeFacts(url=url, accepted=False, status=status, request_headers=(("User-Agent", f"wsbook/0.1 ({mark})"),))
    source = Source(step="1.3", probe="upgrade", hop="endpoint", changed=(changed,) if changed else ())
    return observed(source, facts, duration_s=0.5, observed_at=datetime.fromtimestamp(1000, UTC)), facts


def joined(attempts: list[tuple[Observation, UpgradeFacts]], lines: list[str], written: float = 2000.0) -> list[tuple[str, int]]:
    seen = parse_access_log(lines, artifact="a.log")
    found = list(logged_attempts(attempts, seen, {"a.log": written}))
    assert all(isinstance(one.facts, LoggedAttemptFacts) for one in found)
    return [(one.facts.mark, one.source.line) for one in found if isinstance(one.facts, LoggedAttemptFacts)]


def test_each_attempt_finds_its_own_line() -> None:
    lines = [LINE.format("/rt", "Mozilla/5.0"), LINE.format("/rt", "wsbook/0.1 (0000000b)"), LINE.format("/rt", "wsbook/0.1 (0000000a)")]
    assert joined([tried("0000000a"), tried("0000000b", changed="no Origin")], lines) == [("0000000a", 3), ("0000000b", 2)]


def test_a_log_without_agents_shows_the_mark_in_the_query() -> None:
    attempt = tried("0000000a", url="ws://a.test/rt?wsbook=0123abcd", changed="our mark in the query")
    assert joined([attempt, tried("0000000c")], ['"GET /rt?wsbook=0123abcd HTTP/1.1" 404 5']) == [("0000000a", 1)]


def test_what_is_missing_is_only_told_of_logs_that_would_show_it() -> None:
    others = [LINE.format("/rt", "Mozilla/5.0")]
    assert joined([tried("0000000a")], others) == [("0000000a", 0)]
    assert joined([tried("0000000a", changed="no Origin")], others) == []
    assert joined([tried("0000000a", status=None)], others) == []
    assert joined([tried("0000000a")], others, written=900.0) == []
    assert joined([tried("0000000a")], ['"GET /rt HTTP/1.1" 404 5']) == []
    assert joined([tried("0000000a")], []) == []
    another = [LINE.format("/rt", "wsbook/0.1 (0000000b)")]
    assert joined([tried("0000000a"), tried("0000000b", changed="no Origin")], another) == [("0000000b", 1)]


def test_marked_lines_are_groups_of_their_own() -> None:
    seen = parse_access_log([LINE.format("/rt", "Mozilla/5.0"), LINE.format("/rt", "wsbook/0.1 (0000000b)")], artifact="a.log")
    assert [(o.facts.marked, o.facts.marks) for o in seen if isinstance(o.facts, AccessFacts)] == [(False, ()), (True, ("0000000b",))]
