"""Tables say what was seen, with units in the column names, and never break on what peers say."""

import pytest

from views.samples import attempt, everything, seen
from wsbook.facts import EndpointFacts, Place, TraceFacts
from wsbook.finding import Finding, Severity, StepVerdict, Verdict
from wsbook.observation import Observation
from wsbook.target import parse_target
from wsbook.views import show, tables
from wsbook.views.workbook import PARAMETERS, TABLES


@pytest.mark.parametrize(("step", "name"), [(step, name) for step, named in TABLES.items() for name in named])
def test_every_table_holds_its_step_and_only_printable_text(step: str, name: str) -> None:
    seen_there = [one for one in everything() if one.source.step == step]
    table = TABLES[step][name](seen_there)
    texts = [str(value) for row in table.itertuples(index=False) for value in row]
    assert not any("\x1b" in text or "\u202e" in text for text in texts)
    assert table.columns.is_unique
    assert TABLES[step][name]([]).empty


def test_the_experiment_marks_the_change_that_flips_the_baseline() -> None:
    table = tables.table_attempts([attempt(400), attempt(101, "no Origin"), attempt(400, "no extensions")])
    assert table["flips"].tolist() == ["", "◀ flips", ""]
    assert table["result"].tolist() == ["400 refused", "101 accepted", "400 refused"]


def endpoint(side: str, **fields: object) -> Observation:
    known = {"library": "native", "file": "a.ts", "line": 1, "expression": "new WebSocket(url)"}
    return seen("1.1", EndpointFacts(side=side, **{**known, **fields}))


@pytest.mark.parametrize(
    ("dialled", "offered", "expected"),
    [
        ({"url": "wss://h.test/ws", "origin": "wss://h.test", "path": "/ws"}, {"library": "fastapi", "path": "/ws"},
         ("wss://h.test/ws", "/ws", "nothing")),
        ({"url": "wss://h.test/ws", "origin": "wss://h.test", "path": "/ws"}, {"library": "fastapi", "path": "/api/ws"},
         ("wss://h.test»/ws«", "»/api/ws«", "path")),
        ({"origin": "ws://h.test:9", "path": "/r/{…}"}, {"library": "ws", "path": None}, ("ws://h.test:9/r/{…}", "any path", "nothing")),
        ({"path": "/socket.io/", "library": "socket.io", "version": "3"}, {"library": "socket.io", "path": "/socket.io/", "version": "4"},
         ("page's host/socket.io/", "/socket.io/", "version")),
        ({}, {"library": "ws", "path": "/ws"}, ("? new WebSocket(url)", "", "")),
    ],
)  # fmt: skip
def test_pairs_mark_the_part_that_differs(dialled: dict[str, str], offered: dict[str, str], expected: tuple[str, str, str]) -> None:
    (row,) = tables.table_pairs([endpoint("frontend", **dialled), endpoint("backend", **offered)]).to_dict("records")
    assert (row["dialled"], row["offered"], row["differs"]) == expected


def test_another_hop_is_compared_with_the_endpoint() -> None:
    table = tables.table_attempts([attempt(400), attempt(101, hop="app")])
    assert table["flips"].tolist() == ["", "◀ flips"]


def test_waiting_for_a_first_message_is_no_part_of_the_answer() -> None:
    assert tables.table_attempts([attempt(101)])["time (ms)"].tolist() == [33.0]
    assert tables.table_stages([attempt(101)])["failed"].tolist() == [""]


def test_not_looked_names_reason_and_remedy() -> None:
    table = tables.table_not_looked(everything("give it"))
    assert table.to_dict("records") == [{"step": "3.1", "what": "frontend source", "why": "not given", "detail": "give it"}]


def test_inputs_say_what_is_missing() -> None:
    table = tables.table_inputs(parse_target("wss://shop.example/ws", headers=["Authorization: Bearer abc"]), "quick")
    assert "abc" not in table.to_string()
    assert table["input"].tolist()[-1] == "not given"


def test_a_trace_counts_from_the_trigger_and_from_the_place_before() -> None:
    facts = TraceFacts(
        marker="m", places=(Place(name="a", at_s=0.01, count=1), Place(name="b", at_s=None), Place(name="c", at_s=0.03, count=2))
    )
    table = tables.table_trace([seen("4.1", facts)])
    assert [value for value in table["step (ms)"] if value == value] == [10.0, 20.0]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (float("nan"), ""), (0.0234, "0.023"), (3.14159, "3.14"), (42.25, "42.2"), (1234.5, "1,234"), (1500, "1,500"), ("x", "x")],
)
def test_cells_have_as_many_digits_as_they_need(value: object, text: str) -> None:
    assert show._cell(value) == text


def test_findings_and_steps_keep_their_order() -> None:
    finding = Finding(cause="a.b", step="1.3", verdict=Verdict.FAULT, severity=Severity.ERROR, confidence=0.97, summary="s", root=True)
    assert tables.table_findings([finding])["sure"].tolist() == ["97%"]
    verdict = StepVerdict(step="1.3", title="direct test", verdict=Verdict.UNKNOWN, summary="s")
    assert tables.table_steps([verdict])["verdict"].tolist() == ["? unknown"]


def test_every_parameter_has_a_default() -> None:
    assert {type(value) for value in PARAMETERS.values()} == {str, bool}
