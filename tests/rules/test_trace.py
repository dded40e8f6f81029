"""Where marked messages are lost, doubled or not shown, from hand-made traces of deployments of all kinds."""

from typing import Any

import pytest
from msgspec.structs import replace
from observations import TARGET, findings, roots, seen, verdicts

from wsbook.evidence import Evidence
from wsbook.facts import (
    BroadcastFacts,
    BurstFacts,
    BurstPlace,
    Caught,
    EchoFacts,
    LogLine,
    Named,
    PageEvent,
    Place,
    Subscriber,
    TraceFacts,
)
from wsbook.finding import Verdict
from wsbook.observation import Failure, Observation, Reason
from wsbook.rules.trace_places import legs_of, share_of, trace_of
from wsbook.target import parse_target

SILENT, LOST, NO_BUS, HALF = (
    "message.never-published",
    "message.lost",
    "cluster.no-pubsub-across-workers",
    "cluster.pubsub-misconfigured",
)
STALE, TWICE, EACH = "backend.stale-connection-registry", "message.duplicated", "cluster.every-instance-publishes"
SHOWN, THREW, NAME, FORMAT = (
    "client.not-rendered",
    "client.parse-error-swallowed",
    "client.wrong-event-name",
    "message.format-mismatch",
)
LATE, TWO = "client.listener-attached-late", "client.double-connect"
Times = dict[str, float | None]

PAGE = ("page frame", "page handler", "page document", "page screen")


def place(name: str, at_s: float | None, **more: Any) -> Place:
    """Return a place of the kind that its name tells; ``app@a`` is the hop app at instance a."""
    name, _, instance = name.partition("@")
    kinds = {"trigger": "trigger", "answer": "answer", "broker": "broker", "endpoint": "endpoint"}
    kind = kinds.get(name) or (name.split()[1] if name.startswith("page") else "log" if name.startswith("log") else "hop")
    return Place(name=name, kind=kind, at_s=at_s, count=more.pop("count", int(at_s is not None)), instance=instance, **more)


def event(
    places: Times,
    *,
    number: int = 0,
    repeats: int = 1,
    trigger: str = "http",
    watched_s: float = 3.0,
    page: PageEvent | None = None,
    failure: str = "",
    receivers: int | None = None,
    said: tuple[LogLine, ...] = (),
    more: dict[str, dict[str, Any]] | None = None,
) -> Observation:
    named = {"trigger": 0.0, **({"answer": 0.004} if trigger == "http" and not failure else {}), **places}
    facts = TraceFacts(
        marker=f"wsbook-1-{number}",
        places=tuple(place(name, at_s, **(more or {}).get(name, {})) for name, at_s in named.items()),
        number=number,
        repeats=repeats,
        trigger=trigger,
        watched_s=watched_s,
        page=page,
        receivers=receivers,
        said=said,
    )
    failed = Failure(stage="trigger", reason=Reason.MALFORMED, message=failure) if failure else None
    return seen(facts, step="4.1", probe="trace", failure=failed)


ENDED = {"app": {"ended": "fin by peer"}, "page frame": {"ended": "close 1006"}}


def events(*rows: Times, **options: Any) -> list[Observation]:
    return [event(row, number=number, repeats=len(rows), **options) for number, row in enumerate(rows)]


def rendered(**times: float | None) -> Times:
    """Return a way to the screen; frame, handler, document and screen as given."""
    way = {"frame": 0.011, "handler": 0.012, "document": 0.02, "screen": 0.04, **times}
    return {"app": 0.001, "endpoint": 0.01, **{f"page {name}": at_s for name, at_s in way.items()}}


UNSHOWN = rendered(document=None, screen=None)
SLOW = events(*[rendered(document=1.2, screen=1.22)] * 2)
FINE: Times = {"app": 0.001, "endpoint": 0.002}
NOWHERE: Times = {"app": None, "endpoint": None, **dict.fromkeys(PAGE)}
PARSE = Caught(text="SyntaxError: Unexpected token 'N' is not valid JSON", where="http://shop.test/app.js:40:20", in_handler=True)
BLOB = Caught(text='SyntaxError: "[object Blob]" is not valid JSON', where="http://shop.test/app.js:40:20", in_handler=True)
TYPE = Caught(text="TypeError: Cannot read properties of undefined (reading 'id')", in_handler=True)
PROBE = Caught(text="Error: no storage here", swallowed=True)
WRONG = Named(member="type", value="event", known=False, alike=("events",))
KNOWN = Named(member="type", value="event", known=True)
ROOM = Named(member="channel", value="room-17", known=False)


def on(*exceptions: Caught, **more: Any) -> PageEvent:
    return PageEvent(exceptions=exceptions, looked_deeper=True, changes_else_per_s=more.pop("else_per_s", 8.0), **more)


def line(text: str, *signatures: str, marked: bool = False) -> tuple[LogLine, ...]:
    return (LogLine(log="log a", at_s=0.003, text=text, marked=marked, signatures=signatures),)


CLOSED = line("WARNING notify user=42 failed: Cannot write to closing transport", "write-to-closing-transport")
TAKEN = line("order 4 accepted note=wsbook-1-0", marked=True)
ASKED = line('"POST /notify?publish=wsbook-1-0 HTTP/1.1" 202', marked=True)
SENT = line("event to 3 sockets: wsbook-1-0", marked=True)
LOGGED: Times = {"log a": 0.001, **NOWHERE}
BUSY = {"endpoint": {"others": 2}, "app": {"others": 1}}
GONE = {"endpoint": {"altered": "$.price removed", "reshaped": ("$.price",)}}


ROWS: list[tuple[str, list[Observation], list[str]]] = [
    # nothing is wrong
    ("all places", events(*[{"app": 0.001, "endpoint": 0.002}] * 5), []),
    ("all places and the page", events(*[rendered()] * 5), []),
    ("a log that names nothing", events(*[{"log a": None, "app": 0.001, "endpoint": 0.002}] * 3), []),
    ("a broker beside the way", events(*[{"broker": None, "app": 0.001, "endpoint": 0.002}] * 3), []),
    ("in-process and on the bus", events(*[{"broker": 0.001, "app@a": 0.001, "app-b@b": 0.003, "endpoint@b": 0.004}] * 3), []),
    ("old records", [event({"app": 0.1, "endpoint": 0.1}, trigger="")], []),
    # never published
    ("accepted and published nowhere", events(*[NOWHERE] * 5), [SILENT]),
    ("published nowhere, the page alone waits", events(*[dict.fromkeys(PAGE)] * 3), [SILENT]),
    ("published nowhere, one event", events(NOWHERE), [SILENT]),
    ("watched too briefly", events(*[NOWHERE] * 5, watched_s=0.4), []),
    ("nobody asked for it", events(*[{"app": None, "endpoint": None}] * 5), []),
    ("no socket could be opened", events(*[{"log a": None}] * 5), []),
    ("a message that may come back to its sender", events(*[{"endpoint": None}] * 5, trigger="message"), []),
    ("the trigger is refused", events(*[NOWHERE] * 5, failure="the trigger was answered with HTTP 403"), []),
    ("the trigger breaks", events(*[NOWHERE] * 5, failure="the trigger was answered with HTTP 500"), ["backend.exception-in-handler"]),
    ("the gateway has nobody", events(*[NOWHERE] * 5, failure="the trigger was answered with HTTP 502"), []),
    (
        "the trigger breaks on the way",
        events(*[{"app": 0.001, "endpoint": None}] * 5, failure="the trigger was answered with HTTP 500"),
        ["backend.exception-kills-broadcast"],
    ),
    ("the broker has it, no socket", events(*[{"broker": 0.001, **NOWHERE}] * 5), [HALF]),
    ("nobody subscribes to the channel", events(*[{"broker": 0.001, **NOWHERE}] * 5, trigger="redis", receivers=0), [HALF]),
    ("nobody hears the channel", events(*[{"broker": 0.001, **NOWHERE}] * 5, trigger="redis"), [HALF]),
    ("the log has it, no socket", events(*[{"log a": 0.001, **NOWHERE}] * 5), [STALE]),
    ("the log says that it cannot send", events(*[NOWHERE] * 5, said=CLOSED), [STALE]),
    ("the log says so once", [event(NOWHERE, said=CLOSED), *events(*[NOWHERE] * 5)], [SILENT]),
    ("the log says so of an event that it names", events(*[LOGGED] * 5, said=(*TAKEN, *CLOSED)), [STALE]),
    ("the log says so, and all sockets have it", events(*[FINE] * 5, said=CLOSED), []),
    ("a client cannot send", events(*[NOWHERE] * 5, said=line("not connected yet", "not-yet-connected")), [SILENT]),
    ("the log says that it was taken", events(*[LOGGED] * 5, said=TAKEN), [SILENT]),
    ("the log names a request", events(*[LOGGED] * 5, said=ASKED), [SILENT]),
    ("the log says that it was sent", events(*[LOGGED] * 5, said=SENT), [STALE]),
    ("the log says that it was sent, to a live socket", events(*[LOGGED] * 5, said=SENT, more=BUSY), [STALE]),
    ("the sockets get others", events(*[NOWHERE] * 5, more=BUSY), [SILENT]),
    # another instance
    ("it stays on the instance", events(*[{"app@a": 0.001, "app-b@b": None, "endpoint@b": None}] * 5), [NO_BUS]),
    (
        "it stays on the instance that it came to",
        events(*[{"app@a": 0.001, "app-b@b": None, "endpoint@a": 0.002}, {"app@a": None, "app-b@b": 0.001, "endpoint@a": None}] * 2),
        [NO_BUS],
    ),
    (
        "it stays on the instance, which nobody names",
        events(*[{"app": 0.001, "app-b": None, "endpoint": 0.002}, {"app": None, "app-b": 0.001, "endpoint": None}] * 2),
        [NO_BUS],
    ),
    (
        "the broker has it, one instance does not",
        events(*[{"broker": 0.001, "app@a": 0.001, "app-b@b": None, "endpoint@b": None}] * 4),
        [HALF],
    ),
    ("two of three instances", events(*[{"app@a": 0.001, "app-b@b": 0.002, "app-c@c": None, "endpoint@a": 0.003}] * 4), [HALF]),
    (
        "the page is where it does not come",
        events(*[{"app@a": 0.001, "app-b@b": None, "endpoint@a": 0.002, "page frame@b": None}] * 4),
        [NO_BUS],
    ),
    # a hop
    ("its socket had ended", events(*[{"app": 0.001, "endpoint": None}] * 5, more={"endpoint": {"ended": "close 1001 by peer"}}), []),
    ("every socket had ended, the page's too", events(*[{"app": None, "page frame": None}] * 3, more=ENDED), []),
    ("the page's socket had ended", events(*[{"app": 0.001, "page frame": None}] * 5, more={"page frame": {"ended": "fin"}}), []),
    ("lost at the proxy", events(*[{"log a": 0.001, "app": 0.001, "endpoint": None}] * 5), [LOST]),
    ("lost at the proxy, of one instance", events(*[{"app@a": 0.001, "app-b@b": 0.002, "endpoint@a": None}] * 5), [LOST]),
    ("two of five lost at the proxy", events(*[{"app": 0.001, "endpoint": at} for at in (0.002, None, 0.002, None, 0.002)]), [LOST]),
    ("one event", events({"app": 0.001, "endpoint": None}), [LOST]),
    ("on its way still", events({"app": 0.001, "endpoint": None}, watched_s=0.3), []),
    ("others took long", events({"app": 0.1, "endpoint": 1.2}, {"app": 0.1, "endpoint": None}, watched_s=2.0), []),
    ("the page has it, our sockets are not subscribed", events(*[{**rendered(), "app": None, "endpoint": None}] * 5), []),
    # the page
    ("no frame of the page's", events(*[{"app": 0.001, "endpoint": 0.002, **dict.fromkeys(PAGE)}] * 5), []),
    ("some frames never come", events(*[rendered()] * 3, rendered(**dict.fromkeys(("frame", "handler", "document", "screen")))), [LOST]),
    ("no handler", events(*[rendered(handler=None, document=None, screen=None)] * 3, page=on()), [LATE]),
    ("a socket in a worker", events(*[rendered(handler=None)] * 3, page=on()), []),
    ("not shown", events(*[UNSHOWN] * 5, page=on(named=(KNOWN,), changes=2)), [SHOWN]),
    ("not shown, nobody looked into the page", events(*[UNSHOWN] * 5), [SHOWN]),
    ("not shown yet", events(UNSHOWN, watched_s=0.5), []),
    ("drawn otherwise", events(*[UNSHOWN] * 5, page=on(changes=3, else_per_s=0.0)), []),
    ("drawn on a canvas", events(*[UNSHOWN] * 5, page=on(unseen=("what the page draws on a canvas cannot be read",))), []),
    ("some not shown", events(rendered(), UNSHOWN, rendered(), UNSHOWN, page=on(named=(KNOWN,))), [SHOWN]),
    ("not parsed", events(*[UNSHOWN] * 5, page=on(PARSE)), [THREW]),
    ("not parsed, and swallowed", events(*[UNSHOWN] * 5, page=on(replace(PARSE, swallowed=True))), [THREW]),
    ("the handler breaks", events(*[UNSHOWN] * 5, page=on(TYPE)), [THREW]),
    ("binary taken for text", events(*[UNSHOWN] * 5, page=on(BLOB)), [FORMAT]),
    (
        "swallowed, and looked for once",
        [*events(*[UNSHOWN] * 4, page=PageEvent()), event(UNSHOWN, page=on(replace(PARSE, swallowed=True)))],
        [THREW],
    ),
    ("a library's own exception", events(*[UNSHOWN] * 5, page=on(PROBE, named=(KNOWN,))), [SHOWN]),
    ("said in the console", events(*[UNSHOWN] * 5, page=on(console=(("warning", "left out: Unexpected token < in JSON"),))), [THREW]),
    ("exceptions that do no harm", events(*[rendered()] * 5, page=on(TYPE)), []),
    ("another name", events(*[UNSHOWN] * 5, page=on(named=(WRONG,))), [NAME]),
    ("another name under a member of its own", events(*[UNSHOWN] * 5, page=on(named=(replace(WRONG, member="evt"),))), [NAME]),
    ("a known type in a room made of a number", events(*[UNSHOWN] * 5, page=on(named=(KNOWN, ROOM))), [SHOWN]),
    ("a room that nobody knows", events(*[UNSHOWN] * 5, page=on(named=(ROOM,))), [NAME]),
    ("shown under an unknown name", events(*[rendered()] * 5, page=on(named=(WRONG,))), []),
    # copies and content
    ("twice at home", events(*[{"app@a": 0.001, "app-b@b": 0.002, "endpoint@a": 0.002}] * 3, more={"app@a": {"count": 2}}), [TWICE]),
    (
        "as often as instances",
        events(
            *[{"app@a": 0.001, "app-b@b": 0.002, "endpoint@a": 0.002}] * 3,
            more={name: {"count": 2} for name in ("app@a", "app-b@b", "endpoint@a")},
        ),
        [EACH],
    ),
    ("once in a log of two lines", events(*[{"log a": 0.001, "endpoint": 0.002}] * 3, more={"log a": {"count": 2}}), []),
    (
        "twice at home, where the page is",
        events(*[{**rendered(), "app": 0.001, "app-b": 0.001}] * 3, more={"app": {"count": 2}, "page frame": {"count": 2}}),
        [TWICE],
    ),
    ("two sockets of the page", events(*[rendered()] * 3, more={"page frame": {"count": 2, "sockets": 2}}), [TWO]),
    ("one socket of the page, two frames", events(*[rendered()] * 3, more={"page frame": {"count": 2, "sockets": 1}}), [TWICE]),
    ("two frames, nobody knows of which sockets", events(*[rendered()] * 3, more={"page frame": {"count": 2}}), []),
    ("the last not watched for as long as others took", [*SLOW, event(UNSHOWN, number=2, watched_s=1.1)], []),
    ("the last watched for longer than others took", [*SLOW, event(UNSHOWN, number=2, watched_s=2.5)], [SHOWN]),
    ("changed at the proxy", events(*[{"app": 0.001, "endpoint": 0.002}] * 3, more={"endpoint": {"altered": "$.text changed"}}), [FORMAT]),
    ("a member is gone at the proxy", events(*[{"app": 0.001, "endpoint": 0.002}] * 3, more=GONE), [FORMAT]),
    ("a member is gone, once", events({"app": 0.001, "endpoint": 0.002}, more=GONE), []),
    ("a member is gone that the page can do without", events(*[rendered()] * 3, more=GONE), []),
    ("a member is gone, and the page throws", events(*[UNSHOWN] * 3, page=on(TYPE), more=GONE), [FORMAT]),
    ("a member is gone, and the page cannot parse it", events(*[UNSHOWN] * 3, page=on(PARSE), more=GONE), [FORMAT]),
    (
        "in the words of each instance",
        events(*[{"app@a": 0.001, "app-b@b": 0.002, "endpoint@b": 0.002}] * 3, more={"app-b@b": {"altered": "$.by changed"}}),
        [],
    ),
    ("not of its schema", events(*[rendered()] * 3, more={"app": {"against_schema": "$.price is no number"}}), [FORMAT]),
]


@pytest.mark.parametrize(("observations", "causes"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_trace(observations: list[Observation], causes: list[str]) -> None:
    assert roots(*observations) == causes


@pytest.mark.parametrize("row", ["watched too briefly", "nobody asked for it", "no socket could be opened", "drawn otherwise"])
def test_what_was_not_seen_is_unknown(row: str) -> None:
    observations = next(entry[1] for entry in ROWS if entry[0] == row)
    assert Verdict.UNKNOWN in {finding.verdict for finding in findings(*observations)}
    assert verdicts(*observations)["4.1"] == "unknown"


def test_our_own_deaf_socket_is_told_beside_a_page_that_shows_all() -> None:
    found = findings(*events(*[{**rendered(), "app": None, "endpoint": None}] * 3))
    assert any("our own sockets at app, endpoint got none of them" in one.summary for one in found if one.verdict is Verdict.CLEAR)


def test_the_hop_is_named_with_its_numbers() -> None:
    found = findings(*events(*[{"app@a": 0.0012, "app-b@b": None, "endpoint@b": None}] * 5))[0]
    assert found.summary.startswith("of 5 events, instance a (app) got 5; instance b (app-b, endpoint) got 0")
    lost = findings(*events(*[{"app": 0.0012, "endpoint": None}] * 5))[0]
    assert lost.summary.startswith("5 of 5 events reached app after 1.2 ms, and never endpoint")
    assert [one.text for one in lost.evidence][1] == "wsbook-1-0: app 1.2 ms, endpoint never"


def test_the_exception_has_its_place() -> None:
    found = findings(*events(*[UNSHOWN] * 5, page=on(PARSE)))[0]
    assert found.evidence[1].where == "http://shop.test/app.js:40:20"
    assert "which threw “SyntaxError" in found.summary


def test_sockets_that_were_told_what_to_subscribe_to_miss_what_is_not_published() -> None:
    told = parse_target(TARGET.url, message='{"subscribe": "ticks"}')
    assert roots(*events(*[{"app": None, "endpoint": None}] * 5), target=told) == [SILENT]


def test_an_endpoint_that_echoes_is_asked_for_another_trigger() -> None:
    echo = seen(EchoFacts(url=TARGET.url, echoes=True), probe="echo")
    assert roots(echo, *events(*[{"endpoint": None}] * 5, trigger="")) == []


def test_what_a_broadcast_showed_goes_before_what_one_message_showed() -> None:
    half = tuple(
        Subscriber(index=i, instance="ab"[i % 2], received=4 - 4 * (i % 2), missed=(0, 1, 2, 3) if i % 2 else ()) for i in range(4)
    )
    told = seen(BroadcastFacts(messages=4, subscribers=half), step="3.2", probe="broadcast")
    assert roots(told, *events(*[{"app": 0.001, "endpoint": None}] * 5)) == [NO_BUS]


# Latency


@pytest.mark.parametrize("slow", ["app", "endpoint", "page frame", "page document"])
def test_latency_is_that_of_its_hop(slow: str) -> None:
    rows = []
    for number in range(20):
        row, at_s = {}, 0.0
        for name in ("app@a", "app-b@b", "endpoint@a", "page frame", "page handler", "page document"):
            step_s = 0.001 + 0.0001 * (number % 7) + (0.05 if name.startswith(slow) and not name.startswith("app-b") else 0.0)
            row[name] = at_s + step_s
            at_s = row[name] if not name.startswith("app-b") else at_s
        rows.append(row)
    trace = trace_of(Evidence(TARGET, events(*rows)))
    assert trace is not None
    legs = legs_of(trace)
    most = max(legs, key=lambda leg: leg.p50_s)
    assert most.end == slow
    assert most.p50_s == pytest.approx(0.05, abs=0.005)
    assert [leg.end for leg in legs] == ["app", "endpoint", "page frame", "page handler", "page document"]
    assert f"from {most.begin} to {slow}" in share_of(legs)


def test_an_uncertain_clock_is_told() -> None:
    trace = trace_of(Evidence(TARGET, events({"app": 0.001, "endpoint": 0.2}, more={"endpoint": {"error_s": 0.03}})))
    assert trace is not None
    assert "± 30 ms of its clock" in share_of(legs_of(trace))


# What makes a silence sure


def sure(cause: str, *observations: Observation) -> float:
    return next((one.confidence for one in findings(*observations) if one.cause == cause), 0.0)


def test_silence_is_surer_where_more_was_watched() -> None:
    alone, busy = sure(SILENT, *events(*[NOWHERE] * 5)), sure(SILENT, *events(*[NOWHERE] * 5, more=BUSY))
    logged = sure(SILENT, *events(*[{"log a": None, **NOWHERE}] * 5))
    assert alone < 0.7 and alone < busy and alone < logged < 0.8
    assert sure(STALE, *events(*[NOWHERE] * 5)) > 0 and sure(STALE, *events(*[NOWHERE] * 5, more=BUSY)) == 0


def test_sockets_that_get_others_are_not_forgotten() -> None:
    taken, live = events(*[LOGGED] * 5, said=TAKEN), events(*[LOGGED] * 5, said=TAKEN, more=BUSY)
    assert sure(STALE, *taken) > sure(STALE, *live)
    assert "other messages came to the same sockets meanwhile" in findings(*live)[0].summary
    assert "order 4 accepted" in findings(*live)[0].summary


# Bursts


def burst(
    *received: tuple[str, int], sent: int = 50, refused: int = 0, watched_s: float = 2.0, tail: bool = False, **more: Any
) -> Observation:
    """Return a burst of which places got so many; what is missing was sent before the last, or with tail after all others."""
    kinds = {"endpoint": "endpoint", "broker": "broker", "page frame": "frame"}
    places = []
    for name, count in received:
        missing = tuple(range(count, sent) if tail else range(1, 1 + sent - count))
        places.append(BurstPlace(name=name, kind=kinds.get(name, "hop"), received=count, missing=missing, **more))
    return seen(BurstFacts(sent=sent, took_s=0.1, places=tuple(places), refused=refused, watched_s=watched_s), step="4.1", probe="trace")


@pytest.mark.parametrize(
    ("observation", "options", "causes"),
    [
        (burst(("app", 50), ("endpoint", 50)), {}, []),
        (burst(("app", 30), ("endpoint", 30)), {}, [LOST]),
        (burst(("app", 50), ("endpoint", 49)), {}, [LOST]),
        (burst(("app", 30), ("endpoint", 30), watched_s=0.3), {}, []),
        (burst(("app", 50), ("endpoint", 49), tail=True), {}, []),
        (burst(("app", 50), ("endpoint", 20), tail=True), {}, [LOST]),
        (burst(("app", 50), ("endpoint", 20), tail=True, watched_s=0.85), {}, []),
        (burst(("app", 50), ("endpoint", 20), tail=True, ended="close 1001"), {}, []),
        (burst(("app", 50), ("endpoint", 20), ended="close 1001"), {}, [LOST]),
        (burst(("app", 20), ("endpoint", 20), refused=20), {}, [LOST]),
        (burst(("app", 30), ("endpoint", 30), refused=20), {}, []),
        (burst(("broker", 50), ("app", 20), ("endpoint", 20)), {}, [LOST]),
        (burst(("app", 50), ("endpoint", 50), duplicated=3), {}, [TWICE]),
        (burst(("app", 50), ("endpoint", 50), reordered=3), {}, []),
        (burst(("app", 50), ("endpoint", 50), reordered=3), {"trigger": "redis"}, ["message.out-of-order"]),
    ],
)
def test_a_burst(observation: Observation, options: dict[str, Any], causes: list[str]) -> None:
    assert roots(*events(*[FINE] * 5, **options), observation) == causes


@pytest.mark.parametrize(("ended", "causes"), [("", [LOST]), ("close 1001", [])])
def test_a_page_that_connects_anew_meanwhile_has_lost_nothing_of_a_burst(ended: str, causes: list[str]) -> None:
    many = burst(("app", 50), ("endpoint", 50))
    frame = BurstPlace(name="page frame", kind="frame", received=42, missing=tuple(range(8)), ended=ended)
    assert isinstance(many.facts, BurstFacts)
    many = replace(many, facts=replace(many.facts, places=(*many.facts.places, frame)))
    assert roots(*events(*[rendered()] * 5), many) == causes


@pytest.mark.parametrize(
    ("joined", "shown", "verdict"),
    [(9, 1, Verdict.FAULT), (9, 50, Verdict.CLEAR), (0, 1, None), (9, None, Verdict.UNKNOWN)],
    ids=["only single ones are shown", "the page takes them apart", "nothing was joined", "no page"],
)
def test_several_documents_in_a_message(joined: int, shown: int | None, verdict: Verdict | None) -> None:
    wire = BurstPlace(name="endpoint", kind="endpoint", received=50, joined=joined)
    page = [BurstPlace(name=f"page {kind}", kind=kind, received=count) for kind, count in (("frame", 50), ("document", shown or 0))]
    places = (wire, *page) if shown is not None else (wire,)
    seen_burst = seen(BurstFacts(sent=50, took_s=0.1, places=places, watched_s=0.65), step="4.1", probe="trace")
    singles = events(*[rendered() if shown is not None else FINE] * 5)
    told = [one.verdict for one in findings(*singles, seen_burst) if one.cause == FORMAT and "JSON documents" in one.summary]
    assert told == ([verdict] if verdict else [])


def test_a_page_that_is_slower_than_a_burst_has_lost_nothing() -> None:
    def told(*missing: int) -> list[str]:
        frame = BurstPlace(name="page frame", kind="frame", received=50 - len(missing), missing=missing)
        places = (BurstPlace(name="endpoint", kind="endpoint", received=50), frame)
        return roots(*events(*[rendered()] * 5), seen(BurstFacts(sent=50, took_s=0.1, places=places, watched_s=2.4), step="4.1"))

    assert told(*range(16, 50)) == []
    assert told(*range(16, 40)) == [LOST]
    assert told(26) == []  # a browser that is busy may not report them all


@pytest.mark.parametrize(("moved", "at_once", "causes"), [(34, 1, ["message.out-of-order"]), (34, 8, []), (9, 1, []), (0, 1, [])])
def test_the_order_of_requests_that_followed_one_another(moved: int, at_once: int, causes: list[str]) -> None:
    places = (BurstPlace(name="endpoint", kind="endpoint", received=50, reordered=moved),)
    facts = BurstFacts(sent=50, took_s=0.4, places=places, watched_s=2.0, side_by_side=at_once)
    assert roots(*events(*[FINE] * 5), seen(facts, step="4.1", probe="trace")) == causes


def test_a_burst_says_nothing_where_single_events_are_lost_too() -> None:
    found = findings(*events(*[{"app": 0.001, "endpoint": None}] * 5), burst(("app", 50), ("endpoint", 0)))
    assert not any("single events pass" in one.summary for one in found)


PAST_THE_PAGE = events(*[{"app": 0.001, "endpoint": 0.002, **dict.fromkeys(PAGE)}] * 5)
BURST_OF_ALL = seen(
    BurstFacts(sent=50, took_s=0.5, places=(BurstPlace(name="endpoint", kind="endpoint", received=50),)), step="4.1", probe="trace"
)


@pytest.mark.parametrize(
    ("observations", "verdict"),
    [
        (PAST_THE_PAGE, "unknown"),
        ([*PAST_THE_PAGE, BURST_OF_ALL], "unknown"),
        (events(*[rendered()] * 5), "clear"),
        (events(*[FINE] * 5), "clear"),
    ],
    ids=["the page got none", "and all of a burst came to our socket", "the page showed all", "no page was watched"],
)
def test_events_that_pass_by_a_page_leave_the_step_in_doubt(observations: list[Observation], verdict: str) -> None:
    assert roots(*observations) == []
    assert verdicts(*observations)["4.1"] == verdict


def test_sockets_that_had_all_ended_do_not_show_that_nothing_was_published() -> None:
    def told(ended: str) -> list[str]:
        more = {"endpoint": {"ended": "close 1002 by us"}, "page frame": {"ended": ended}}
        return roots(*events(*[{"endpoint": None, "page frame": None}] * 3, more=more))

    assert told("close 1006") == []
    assert told("") == [SILENT]
