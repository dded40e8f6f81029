"""Plots: their title is their finding, they are small, and no text of a peer is read as markup."""

import json

import pytest

from views.samples import HOSTILE, attempt, everything, seen
from wsbook.chain import chain
from wsbook.facts import (
    AccessFacts,
    ClosingsFacts,
    ForwardProxyFacts,
    IdleFacts,
    PacketFacts,
    PacketTrial,
    PortFacts,
    SessionFacts,
    Tunnel,
)
from wsbook.target import parse_target
from wsbook.views import charts, charts_heartbeat, charts_logs, charts_network
from wsbook.views.drawing import Picture
from wsbook.views.step_offers import PLOTS


def strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for key, item in value.items() for text in strings(item) if key not in ("bdata", "dtype")]
    if isinstance(value, list | tuple):
        return [text for item in value for text in strings(item)]
    return [value] if isinstance(value, str) else []


def drawn() -> list[tuple[str, Picture]]:
    pictures = [
        (f"{step} {plot.__name__}", plot([one for one in everything() if one.source.step == step]))
        for step, plots in PLOTS.items()
        for plot in plots
    ]
    return [(name, picture) for name, picture in pictures if picture is not None]


@pytest.mark.parametrize(("name", "picture"), drawn())
def test_a_plot_is_small_json_with_its_finding_as_title(name: str, picture: Picture) -> None:
    text = json.dumps(picture.json)
    assert len(text) < 12_000
    assert picture.text
    assert picture.json["layout"]["title"]["text"]
    assert picture.json["layout"]["template"]["layout"]["paper_bgcolor"] == "rgba(0,0,0,0)"
    assert len([one for one in picture.json["data"] if one.get("name")]) <= 6


@pytest.mark.parametrize(("name", "picture"), drawn())
def test_no_text_of_a_peer_is_markup_or_a_template(name: str, picture: Picture) -> None:
    assert not any("<img" in text or "<script" in text or HOSTILE in text for text in strings(picture.json))
    assert not any("hovertemplate" in trace for trace in picture.json["data"])


@pytest.mark.parametrize("plot", [plot for plots in PLOTS.values() for plot in plots])
def test_nothing_seen_draws_nothing(plot: object) -> None:
    assert plot([]) is None  # type: ignore[operator]


@pytest.mark.parametrize(
    ("facts", "title"),
    [
        ([(8.0, True, 8.0, "open")], "every rung survived, up to 8.0 s of silence"),
        ([(1.0, True, 1.0, "open"), (8.0, False, 3.02, "fin")], "idle sockets die after 3.0 s at endpoint (fin)"),
        (
            [(3.5, True, 3.5, "open"), (5.0, False, 5.0, "silence"), (8.0, False, 8.0, "silence")],
            "idle sockets die after 3.5 to 5 s at endpoint (silence)",
        ),
    ],
)
def test_the_idle_ladder_names_the_limit(facts: list[tuple[float, bool, float, str]], title: str) -> None:
    rungs = [
        seen("3.4", IdleFacts(silence_s=s, traffic="none", survived=ok, lived_s=lived, ended=ended), hop="endpoint")
        for s, ok, lived, ended in facts
    ]
    picture = charts_heartbeat.plot_idle(rungs)
    assert picture is not None
    assert picture.text == title


def test_a_spike_of_lifetimes_is_the_title() -> None:
    ages = [60.0] * 9 + [5.0]
    picture = charts_logs.plot_lifetimes([seen("1.4", SessionFacts(url="ws://a", age_s=age)) for age in ages])
    assert picture is not None
    assert picture.text.startswith("9 of 10 sockets ended at")
    assert charts_logs.plot_lifetimes([seen("1.4", SessionFacts(url="ws://a", age_s=60.0))] * 4) is None


def test_a_refused_stage_is_hatched_and_the_title_says_the_answer() -> None:
    picture = charts.plot_stages([attempt(400), attempt(101, "no Origin")])
    assert picture is not None
    assert picture.text.startswith("400 refused, 33 ms")
    shapes = [trace["marker"]["pattern"]["shape"] for trace in picture.json["data"] if trace["name"] == "upgrade"]
    assert shapes == [["/", ""]]


@pytest.mark.parametrize(
    ("statuses", "broken"),
    [
        ({"endpoint": 101, "app": 101}, None),
        ({"endpoint": 400, "app": 101}, "shop.example"),
        ({"endpoint": 400, "app": 400}, "app"),
        ({"app": 101}, None),
    ],
)
def test_the_chain_marks_the_innermost_broken_place(statuses: dict[str, int], broken: str | None) -> None:
    target = parse_target("ws://shop.example/ws", hops=["app=ws://127.0.0.1:8000/ws"])
    links = chain(target, [attempt(status, hop=hop, step="2.2") for hop, status in statuses.items()])
    assert [link.name for link in links] == ["shop.example", "app"]
    assert next((link.name for link in links if link.broken), None) == broken
    picture = charts.plot_chain(links)
    assert picture is not None
    assert (f"breaks at {broken}" in picture.text) is (broken is not None)


def test_instances_of_one_place_stand_together() -> None:
    target = parse_target("ws://shop.example/ws", hops=["app=ws://127.0.0.1:1/", "app-b=ws://127.0.0.1:2/", "nginx=ws://127.0.0.1:3/"])
    links = chain(target, [attempt(101, hop="app", step="2.2"), attempt(502, hop="app-b", step="2.2")])
    assert [(link.name, link.verdict.value) for link in links] == [
        ("shop.example", "unknown"),
        ("nginx", "unknown"),
        ("app, app-b", "fault"),
    ]


def test_ends_of_sockets_are_drawn_beneath_their_ages() -> None:
    times, ages = tuple(1000.0 + 0.1 * n for n in range(8)), tuple(20.0 * n + 1 for n in range(8))
    picture = charts_logs.plot_lifetimes(
        [seen("1.4", AccessFacts(program="nginx", method="GET", path="/ws", status=101, count=8, times=times, durations_s=ages))]
    )
    assert picture is not None
    assert picture.text == "8 of 8 sockets of different ages ended in one second, 00:16:40 UTC"
    assert [trace["type"] for trace in picture.json["data"]] == ["bar", "scatter"]


def test_ends_in_one_instant_without_an_age_are_drawn_too() -> None:
    ends = seen("1.4", ClosingsFacts(times=(1000.0,) * 8, ages_s=(None, 3.0, None, 1.0, 2.0, 4.0, 5.0, None)))
    lives = [seen("1.4", SessionFacts(url="", age_s=float(age))) for age in range(1, 7)]
    picture = charts_logs.plot_lifetimes([ends, *lives])
    assert picture is not None
    assert [trace["type"] for trace in picture.json["data"]] == ["bar", "scatter"]


def test_known_limits_are_named_where_sockets_ended() -> None:
    picture = charts_logs.plot_lifetimes([seen("1.4", SessionFacts(url="ws://a", age_s=60.0 + n / 10)) for n in range(6)])
    assert picture is not None
    assert any("60 s, 6" in note["text"] for note in picture.json["layout"]["annotations"])


def port(number: int, state: str, address: str = "192.0.2.7", by: str = "") -> PortFacts:
    return PortFacts(host="shop.example", address=address, port=number, state=state, by=by, rtt_s=0.012 if state == "open" else None)


REFUSING = ForwardProxyFacts(
    proxy="http://p.example:3128",
    source="given",
    kind="http",
    reached=True,
    tunnels=(
        Tunnel(target="shop.example:8443", status=403, outcome="answered"),
        Tunnel(target="shop.example:443", status=200, outcome="tunnel"),
    ),
)


@pytest.mark.parametrize(
    ("facts", "title", "words"),
    [
        ([port(443, "open"), port(80, "open")], "2 of 2 ports are open", ["✓ open 12 ms", "✓ open 12 ms"]),
        (
            [port(443, "filtered"), port(80, "open")],
            "1 of 2 ports are open; filtered at 192.0.2.7 port 443",
            ["✓ open 12 ms", "✗ filtered"],
        ),
        ([port(443, "unreachable", "2001:db8::7")], "0 of 1 ports are open; unreachable at 2001:db8::7 port 443", ["? no route here"]),
        ([REFUSING], "the forward proxy answers 403 to CONNECT shop.example:8443", ["✓ CONNECT 200", "✗ CONNECT 403"]),
    ],
)
def test_every_way_to_the_port_is_a_row(facts: list[object], title: str, words: list[str]) -> None:
    picture = charts_network.plot_ways([seen("2.1", one) for one in facts])
    assert picture is not None
    assert picture.text == title
    assert picture.json["data"][0]["text"] == [words]


@pytest.mark.parametrize(
    ("outcomes", "title"),
    [
        ({500: "answered", 65536: "answered"}, None),
        ({500: "answered", 1200: "answered", 1300: "lost"}, "messages of 1,300 B and more vanish, 1,200 B arrive"),
    ],
)
def test_only_packets_that_vanish_are_drawn(outcomes: dict[int, str], title: str | None) -> None:
    trials = tuple(PacketTrial(what="message", size_bytes=size, outcome=outcome) for size, outcome in outcomes.items())
    picture = charts_network.plot_packets([seen("2.1", PacketFacts(url="ws://a", trials=trials, patience_s=1.4))])
    assert (picture.text if picture else None) == title
