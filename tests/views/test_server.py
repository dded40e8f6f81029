"""Tables and pictures of a server under watch."""

from views.samples import seen
from wsbook.facts import CrowdFacts, CycleFacts, Neighbour, PulseFacts, Pulses, Sample, Watched
from wsbook.views import charts_server, tables


def _cycles() -> CycleFacts:
    moments = ((0, 0, 20), (0, 8, 28), (8, 0, 20), (8, 8, 36), (16, 0, 28), (24, 0, 36))
    samples = tuple(
        Sample(at_s=at, ended=ended, held=held, descriptors=descriptors, memory_bytes=30 * 2**20 + held * 65_536, cpu_s=1 + ended / 1000)
        for at, (ended, held, descriptors) in enumerate(moments)
    )
    events = ((0.001,), (0.0015,), (0.002,))
    server = Watched(how="process", place="app", name="python", processes=2, samples=samples, events_s=events)
    return CycleFacts(warm_up=8, closed=8, hung_up=4, broken=4, at_once=8, connect_s=0.01, servers=(server,))


def test_a_server_over_the_cycles() -> None:
    (row,) = tables.table_server([seen("3.2", _cycles())]).to_dict("records")
    assert row == {
        "server": "python at app",
        "processes": 2,
        "descriptors before": "20",
        "descriptors warmed up": "20",
        "most": 36,
        "descriptors at the end": "36",
        "CLOSE_WAIT": "?",
        "threads": "?",
        "memory": "30 MiB",
        "memory of one": "64 KiB",
        "processor time of one": "1 ms",
        "a message at first": "1 ms",
        "and at last": "2 ms",
    }
    picture = charts_server.plot_server([seen("3.2", _cycles())])
    assert picture is not None and picture.text == "24 connections came and went, up to 8 together: +16 descriptors since the first wave"


def test_neighbours_of_one_that_reads_nothing() -> None:
    late = Neighbour(index=0, instance="a", before=(0.01, 0.02, 0.03), during=(0.01, 2.5, None))
    facts = CrowdFacts(
        kind="reads nothing",
        size_bytes=9,
        padded=True,
        neighbours=(late,),
        sent_s=(0.0, 0.1, 0.2),
        released_s=2.0,
        odd_ended="close",
        odd_code=1013,
    )
    (row,) = tables.table_crowd([seen("3.2", facts)]).to_dict("records")
    assert (row["late"], row["never came"], row["median before (ms)"], row["worst then (ms)"]) == (2, 1, 20.0, 2500.0)
    assert row["the odd one ended"] == "close 1013"
    picture = charts_server.plot_crowd([seen("3.2", facts)])
    assert picture is not None and picture.text.endswith("within 2.5 s; 1 never came")


def test_stalls_of_quiet_connections() -> None:
    lines = tuple(
        Pulses(place="app", instance="b", sent_s=(0.1, 1.0, 1.1), answered_s=(0.1005, 1.3, 1.3), acknowledged=(None,) * 3) for _ in range(3)
    )
    facts = PulseFacts(every_s=0.1, duration_s=2.0, connections=lines, local=("app",))
    (row,) = tables.table_pulses([seen("3.2", facts)]).to_dict("records")
    assert (row["at"], row["instance"], row["from (s)"], row["length (ms)"], row["meanwhile"], row["but"]) == (
        "app",
        "b",
        1.0,
        300.0,
        "idle",
        "",
    )
    picture = charts_server.plot_pulses([seen("3.2", facts)])
    assert picture is not None and picture.text == "quiet connections were late together 1 time, for up to 300 ms"
