"""wsbook load: what is typed becomes plans, what is seen a document, an exit code and a page of text."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from rich.console import Console

from wsbook.cli.load_shown import live_text, plan_text, show_load
from wsbook.cli.loading import LoadRequest, exit_code, load, parse_trouble, plans_of
from wsbook.errors import UsageError
from wsbook.facts import Generator, Knee, LoadFacts, LoadRun, LossyConnection, Sample, Spell, Threshold, Watched
from wsbook.load_plan import LineFault
from wsbook.observation import Observation, Reason, Source, not_run, observed
from wsbook.probes.load import ENDED_EARLY

URL = "ws://127.0.0.1:9/ws"
SCHEMA = Path(__file__).parent.parent / "data" / "load.schema.json"


def request(**options: Any) -> LoadRequest:
    return LoadRequest(parameters={"url": URL} | options.pop("parameters", {}), **options)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("5 stall 1", LineFault(at_s=5, how="stall", for_s=1)),
        ("500ms refuse", LineFault(at_s=0.5, how="refuse")),
        ("5 cut", LineFault(at_s=5, how="cut")),
        ("5 cut fin", LineFault(at_s=5, how="cut", value="fin")),
        ("0 delay 50ms", LineFault(at_s=0, how="delay", value="0.05")),
        ("5s delay 0.05 2s", LineFault(at_s=5, how="delay", value="0.05", for_s=2)),
        ("5 throttle 64KiB/s 2", LineFault(at_s=5, how="throttle", value="65536", for_s=2)),
    ],
)
def test_a_trouble_in_words(text: str, fault: LineFault) -> None:
    assert parse_trouble(text) == fault


@pytest.mark.parametrize("text", ["", "5", "stall 5", "5 explode", "5 stall 1 2", "5 cut fin 1", "5 delay", "x stall", "5 throttle fast"])
def test_what_is_no_trouble(text: str) -> None:
    with pytest.raises(UsageError):
        parse_trouble(text)


def test_one_run_as_it_is_typed() -> None:
    wanted = plans_of(
        request(
            connections="20", rate="1k", size="4KiB", seconds="2500ms", subscribe='{"join": 1}', slow_readers="3:1KiB",
            trouble=("1 cut, 2 stall 1",),
            thresholds=("p99 < 50 ms, lost = 0", "loss < 1 %"), shards=2, parameters={"message": '{"id": "{marker}"}', "headers": "X-A: b"},
        )
    )  # fmt: skip
    (plan,) = wanted.plans
    assert (plan.connections, plan.rate, plan.size_bytes, plan.seconds, plan.window) == (20, 1000, 4096, 2.5, 0)
    assert (plan.answered_by, plan.template, plan.subscribe) == ("auto", '{"id": "{marker}"}', '{"join": 1}')
    assert (plan.slow_readers, plan.slow_bytes_per_s, [fault.how for fault in plan.faults]) == (3, 1024, ["cut", "stall"])
    assert plan.attempt.headers == (("X-A", "b"),) and plan.attempt.origin == "http://127.0.0.1:9"
    assert [demand.measure for demand in wanted.demands] == ["p99", "lost", "loss"]
    assert (wanted.engine.shards, wanted.search) == (2, None)


def test_lists_make_a_grid_and_a_ramp_grows() -> None:
    wanted = plans_of(request(connections="10,100", rate="100,200,500", size="64,4096"))
    assert len(wanted.plans) == 12 and len(set(wanted.plans)) == 12
    wanted = plans_of(request(ramp="100:400:3", size="64,128"))
    assert [(plan.size_bytes, plan.rate) for plan in wanted.plans] == [(64, 100), (64, 200), (64, 400), (128, 100), (128, 200), (128, 400)]


@pytest.mark.parametrize(
    ("options", "start", "bound_s"),
    [({"find_knee": True}, 100, None), ({"find_knee": True, "rate": "50,700"}, 700, None), ({"within": "50ms"}, 100, 0.05)],
)
def test_a_search(options: dict[str, Any], start: float, bound_s: float | None) -> None:
    search = plans_of(request(**options)).search
    assert search is not None and (search.start, search.bound_s, search.at) == (start, bound_s, "p99")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rate": "10", "window": 2}, "one of --rate, --window and --ramp"),
        ({}, "give --rate, --window or --ramp"),
        ({"rate": "fast"}, "is no number; write 500, 10k or 4KiB"),
        ({"ramp": "1:2"}, "FROM:TO:STEPS"),
        ({"ramp": "0:2:3"}, "rates above 0"),
        ({"rate": "1", "seconds": "long"}, "is no duration"),
        ({"rate": "1", "thresholds": ("p99",)}, "is not of the form 'p99 < 50 ms'"),
        ({"rate": "1", "trouble": ("soon stall",)}, "is no duration"),
        ({"rate": "1", "parameters": {"url": ""}}, "give the endpoint"),
        ({"rate": "1", "parameters": {"ca_file": "/nowhere.pem"}}, "does not exist"),
    ],
)
def test_what_cannot_be_asked_for(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        plans_of(request(**options))
    assert words in str(caught.value)


def run(**fields: Any) -> LoadRun:
    values: dict[str, Any] = {
        "rate": 1000.0, "size_bytes": 64, "connections": 10, "duration_s": 10.0, "sent": 10_000, "received": 10_000, "lost": 0,
        "duplicated": 0, "reordered": 0, "p50_s": 0.0003, "p90_s": 0.0005, "p99_s": 0.0012, "p999_s": 0.004, "max_s": 0.031,
        "asked": 10, "opened": 10, "generator": Generator(engine="numpy", cpu_s=0.5, busy=0.05, lag_p99_s=1e-5, lag_max_s=1e-4),
    }  # fmt: skip
    return LoadRun(**(values | fields))


def seen(*runs: LoadRun, **fields: Any) -> Observation:
    return observed(Source(step="4.2", probe="load"), LoadFacts(runs=runs, **fields), observed_at=datetime.now(UTC))


def threshold(holds: bool | None) -> Threshold:
    return Threshold(text="p99 < 5 ms", value="x", holds=holds)


@pytest.mark.parametrize(
    ("one", "code"),
    [
        (seen(run()), 0),
        (seen(run(lost=1)), 1),
        (seen(run(duplicated=1)), 1),
        (seen(run(reordered=1)), 1),
        (seen(run(unsent=1)), 1),
        (seen(run(opened=9)), 1),
        (seen(run(ended=(("fin", 1),))), 1),
        (seen(run(lost=1), thresholds=(threshold(True),)), 0),
        (seen(run(), thresholds=(threshold(True), threshold(False), threshold(None))), 1),
        (seen(run(), thresholds=(threshold(True), threshold(None))), 3),
        (seen(run(searched=True), run(lost=5, searched=True), knee=Knee(rate=900, broke_at=1000)), 0),
        (seen(run(lost=5), run(searched=True), knee=Knee(rate=900, broke_at=1000)), 1),
        (seen(run(), run(searched=True, void="late")), 3),
        (seen(run(searched=True), knee=Knee(rate=900, why=ENDED_EARLY), errors=(ENDED_EARLY,)), 3),
        (seen(run(lost=5), knee=Knee(rate=0, broke_at=1)), 1),
        (seen(run(void="late", lost=5), void="late"), 3),
        (seen(run(), run(void="late", lost=5)), 3),
        (seen(run(lost=1), run(void="late")), 1),
        (seen(), 3),
        (not_run(Source(step="4.2", probe="load"), Reason.NOT_GIVEN, "give --send"), 3),
    ],
)
def test_exit_codes(one: Observation, code: int) -> None:
    assert exit_code(one) == code


def shown(one: Observation, width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    show_load(console, URL, one)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert isinstance(text, str)
    return text


def test_the_terminal_shows_one_run_with_its_percentiles_and_servers() -> None:
    samples = tuple(
        Sample(at_s=at, ended=0, held=10, cpu_s=cpu, memory_bytes=40 << 20, descriptors=20) for at, cpu in ((0.0, 1.0), (10.0, 7.3))
    )
    server = Watched(how="process", place="endpoint", name="node", processes=2, samples=samples)
    text = shown(seen(run(servers=(server,), spells=(Spell(name="stall", begin_s=5, end_s=6),)), thresholds=(threshold(True),)))
    assert "10,000 messages, none lost, p99 1.2 ms" in text and "echo · 10 connections · 64 B · numpy" in text
    assert "node, 2 processes · 63 % of a processor · 40 MiB · 20 descriptors" in text
    assert "stall from 5.0 to 6.0 s" in text and "✓ p99 < 5 ms" in text and "p99.9" in text and "▇" in text


def test_the_terminal_names_what_was_lost_and_where() -> None:
    lossy = LossyConnection(number=7, expected=1000, lost=12, duplicated=1, reordered=0, ended="close 1008", lost_numbers=(5, 6))
    text = shown(
        seen(
            run(),
            run(rate=2000, lost=12, received=9988, lossy=(lossy,), ended=(("close 1008", 1),)),
            knee=Knee(rate=1500, broke_at=2000, why="lost"),
        )
    )
    assert "20,000 messages, 12 lost (0.06 %)" in text and "number 7: 12 of 1,000 lost (first 5, 6), 1 twice" in text
    assert "1,500 messages/s held; at 2,000/s: lost" in text and "at 2,000/s, 64 B" in text


def test_void_figures_are_never_shown_as_if_they_counted() -> None:
    text = shown(seen(run(void="the generator was late", lost=3), void="the generator was late"))
    assert "void: the generator was late; these figures do not count" in text and "▇" not in text
    assert "give --send" in shown(not_run(Source(step="4.2", probe="load"), Reason.NOT_GIVEN, "not run: give --send"))


def test_what_a_peer_says_cannot_steer_the_terminal() -> None:
    text = shown(seen(run(opened=1), errors=("refused: \x1b[31m[bold]x\x07",)))
    assert "\x1b" not in text and "\x07" not in text and "[bold]x" in text


def test_the_line_of_a_run_under_way_takes_whatever_it_is_told() -> None:
    (plan,) = plans_of(request(rate="1000")).plans
    assert plan_text(plan) == "1,000/s, 64 B, 10 connections, 10.0 s"
    assert live_text(plan, {"phase": "connecting", "opened": 3}) == "1,000/s   3 of 10 connections open"
    told = {"phase": "sending", "at_s": 2.0, "sent": 2000, "outstanding": 5, "p99_s": 0.0012, "lag_s": 0.00004}
    assert live_text(plan, told) == "1,000/s   2.0 s   2,000 sent   5 outstanding   p99 1.2 ms   own lag 40 µs"
    assert "0 sent" in live_text(plan, {"sent": "many", "p99_s": float("nan")})


def test_the_document_has_sums_and_runs_and_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def probe(*_: object, **__: object) -> Observation:
        return seen(run(), run(rate=2000.0, lost=2, p99_s=0.5), thresholds=(threshold(False),))

    monkeypatch.setattr("wsbook.cli.loading.probe_load", probe)
    out = tmp_path / "load.json"
    asked = request(rate="1", out=out, parameters={"url": f"{URL}?token=verysecret123"})
    document = load(asked, Console(file=io.StringIO()), quiet=True)
    assert json.loads(out.read_text()) == json.loads(json.dumps(document))
    assert (document["schema"], document["sent"], document["lost"], document["p99_s"]) == ("wsbook.load/1", 20_000, 2, 0.5)
    assert (document["cpu_s"], document["void"], document["exit_code"], len(document["runs"])) == (1.0, "", 1, 2)
    assert list(document["thresholds"]) == [{"text": "p99 < 5 ms", "value": "x", "holds": False}]
    assert "verysecret123" not in json.dumps(document)


def schema() -> dict[str, Any]:
    """Return the schema of the document: its own members, and the types of its parts as they are declared."""
    (runs, knee, one), parts = msgspec.json.schema_components(
        (tuple[LoadRun, ...], Knee | None, tuple[Threshold, ...]), ref_template="#/$defs/{name}"
    )
    for part in parts.values():
        part.pop("description", None)
    latency, count = {"type": ["number", "null"]}, {"type": "integer", "minimum": 0}
    counts = ("sent", "received", "lost", "duplicated", "reordered", "unsent", "foreign")
    latencies = ("p50_s", "p90_s", "p99_s", "p999_s", "max_s", "lag_s")
    texts = ("url", "outcome", "why", "void", "type")
    members = {
        "schema": {"const": "wsbook.load/1"},
        **{name: {"type": "string"} for name in texts},
        **dict.fromkeys(counts, count),
        **dict.fromkeys(latencies, latency),
        "cpu_s": {"type": "number"},
        "errors": {"type": "array", "items": {"type": "string"}},
        "exit_code": {"enum": [0, 1, 3]},
        "runs": runs,
        "knee": knee,
        "thresholds": one,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "wsbook load",
        "description": "What wsbook load --json prints and --out writes. Counts are sums over all runs, latencies in s the worst of them.",
        "type": "object",
        "required": list(members),
        "properties": members,
        "$defs": parts,
    }


def test_the_published_schema_is_that_of_the_document(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert stored == json.loads(json.dumps(schema())), "python tests/test_loading.py writes it anew"

    async def probe(*_: object, **__: object) -> Observation:
        return seen(run(), thresholds=(threshold(None),), knee=Knee(rate=1.0))

    monkeypatch.setattr("wsbook.cli.loading.probe_load", probe)
    document = load(request(rate="1"), Console(file=io.StringIO()), quiet=True)
    jsonschema.validate(json.loads(json.dumps(document)), stored)


if __name__ == "__main__":
    SCHEMA.write_text(json.dumps(schema(), indent=2) + "\n", encoding="utf-8")
