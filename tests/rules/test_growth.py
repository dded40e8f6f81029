"""What stays when connections have come and gone."""

import pytest
from msgspec.structs import replace
from observations import findings, seen

from wsbook.facts import CycleFacts, Sample, Watched
from wsbook.finding import Finding, Verdict
from wsbook.rules.growth import cost_of

LEAK, STALE, CAP = "load.fd-limit-or-leak", "backend.stale-connection-registry", "load.connection-cap"
WAVE = 16


def server(
    bottoms: list[int],
    *,
    before: tuple[int, ...] = (20, 20, 20),
    threads: list[int] | None = None,
    memory: list[int] | None = None,
    events: tuple[float, ...] = (),
    **options: object,
) -> Watched:
    """Return a server by the descriptors that it holds after each wave, the warm-up first, and at the very end."""
    samples = [
        Sample(at_s=0.1 * at, ended=0, held=0, descriptors=held, memory_bytes=30_000_000, threads=4, cpu_s=1.0, sockets=1)
        for at, held in enumerate(before)
    ]
    samples.append(
        Sample(at_s=0.5, ended=0, held=WAVE, descriptors=before[0] + WAVE, memory_bytes=31_600_000, threads=4, cpu_s=1.01, sockets=17)
    )
    for wave, held in enumerate(bottoms):
        samples.append(
            Sample(
                at_s=1.0 + wave,
                ended=WAVE * min(wave + 1, len(bottoms) - 1),
                held=0,
                descriptors=held,
                threads=threads[wave] if threads else 4,
                memory_bytes=memory[wave] if memory else 31_000_000,
                cpu_s=1.0 + 0.016 * min(wave + 1, len(bottoms) - 1),
                sockets=1,
            )
        )
    fields = {"how": "process", "place": "app", "name": "python", "processes": 1, "events_s": tuple((cost,) * 5 for cost in events)}
    return Watched(samples=tuple(samples), **{**fields, **options})


def cycles(*servers: Watched, waves: int = 4, **options: object) -> CycleFacts:
    gone = waves * WAVE
    fields = {
        "warm_up": WAVE,
        "closed": gone - 2 * (gone // 3),
        "hung_up": gone // 3,
        "broken": gone // 3,
        "at_once": WAVE,
        "connect_s": 0.01,
    }
    return CycleFacts(servers=servers, **{**fields, **options})


def judged(facts: CycleFacts) -> list[Finding]:
    return findings(seen(facts, step="3.2", probe="cycles"))


FLAT = [20, 20, 20, 20, 20, 20]
MANY = 16
ROWS = [
    ("all comes back", cycles(server(FLAT)), LEAK, Verdict.CLEAR, 0.9),
    ("one descriptor for each", cycles(server([36, 52, 68, 84, 100, 100])), LEAK, Verdict.FAULT, 0.93),
    ("one for each that hung up", cycles(server([25, 30, 35, 40, 46, 46])), LEAK, Verdict.FAULT, 0.93),
    ("one for each tenth", cycles(server([22, 23, 25, 26, 28, 28])), LEAK, Verdict.FAULT, 0.85),
    ("a pool that fills up in the warm-up", cycles(server([32, 32, 32, 32, 32, 32])), LEAK, Verdict.CLEAR, 0.9),
    ("a pool that fills up later", cycles(server([20, 28, 28, 28, 28, 28])), LEAK, Verdict.CLEAR, 0.9),
    ("it only takes a while", cycles(server([36, 52, 68, 84, 100, 20])), LEAK, Verdict.CLEAR, 0.9),
    ("three more are chance", cycles(server([20, 21, 21, 22, 23, 23])), LEAK, Verdict.CLEAR, 0.9),
    ("others come and go meanwhile", cycles(server([20, 24, 28, 30, 34, 34], before=(20, 26, 18))), LEAK, Verdict.CLEAR, 0.9),
    ("nothing could be watched", cycles(blind="the process belongs to another user"), LEAK, Verdict.UNKNOWN, 0.05),
    ("too few waves", cycles(server([36, 52]), waves=1), LEAK, Verdict.CLEAR, 0.9),
    ("the limit is reached", cycles(server([20], descriptor_limit=38), refused=3, why_refused="timeout"), LEAK, Verdict.FAULT, 0.95),
    ("refused far from the limit", cycles(server(FLAT, descriptor_limit=1024), refused=3), LEAK, Verdict.CLEAR, 0.9),
    ("no more fit", cycles(refused=4, why_refused="timeout", after_pause=False, after_leaving=True), CAP, Verdict.FAULT, 0.9),
    ("too fast", cycles(refused=4, why_refused="HTTP 503", after_pause=True), "load.rate-limited", Verdict.FAULT, 0.75),
    ("refused for no plain reason", cycles(server(FLAT), refused=4, after_pause=False, after_leaving=False), LEAK, Verdict.CLEAR, 0.9),
    ("threads stay", cycles(server(FLAT, threads=[20, 36, 52, 68, 84, 84])), STALE, Verdict.FAULT, 0.85),
    ("a message gets dearer", cycles(server(FLAT, events=(0.0004, 0.0014, 0.0024))), STALE, Verdict.FAULT, 0.88),
    (
        "it gets dearer behind a relay that costs the same",
        cycles(server(FLAT, events=(0.0004, 0.0014, 0.0024)), server(FLAT, events=(0.001, 0.0012, 0.0011), place="endpoint", name="caddy")),
        STALE,
        Verdict.FAULT,
        0.88,
    ),
    (
        "it gets dearer behind a relay that does, too",
        cycles(server(FLAT, events=(0.0004, 0.0014, 0.0024)), server(FLAT, events=(0.001, 0.0013, 0.0016), place="endpoint", name="caddy")),
        LEAK,
        Verdict.CLEAR,
        0.9,
    ),
    (
        "the relay itself gets dearer",
        cycles(
            server(FLAT, events=(0.0004, 0.0004, 0.0004)), server(FLAT, events=(0.0004, 0.0014, 0.0024), place="endpoint", name="caddy")
        ),
        LEAK,
        Verdict.CLEAR,
        0.9,
    ),
    ("the machine got busy once", cycles(server(FLAT, events=(0.0004, 0.0023, 0.0024))), LEAK, Verdict.CLEAR, 0.9),
    ("it was busy in the middle", cycles(server(FLAT, events=(0.0004, 0.0034, 0.0024))), LEAK, Verdict.CLEAR, 0.9),
    ("a message costs the same", cycles(server(FLAT, events=(0.0004, 0.0005, 0.0006))), LEAK, Verdict.CLEAR, 0.9),
    ("nothing was published", cycles(server(FLAT, events=())), LEAK, Verdict.CLEAR, 0.9),
    (
        "memory stays, in an interpreter",
        cycles(server([20] * 18, memory=[31_000_000 + 300_000 * n for n in range(18)]), waves=MANY),
        STALE,
        Verdict.UNKNOWN,
        0.45,
    ),
    (
        "memory stays, and a collector may free it",
        cycles(server([20] * 18, memory=[31_000_000 + 300_000 * n for n in range(18)], collected=True), waves=MANY),
        STALE,
        Verdict.UNKNOWN,
        0.25,
    ),
    (
        "memory settles",
        cycles(server([20] * 18, memory=[31_000_000 + 300_000 * min(n, 7) for n in range(18)]), waves=MANY),
        LEAK,
        Verdict.CLEAR,
        0.9,
    ),
]


@pytest.mark.parametrize(("facts", "cause", "verdict", "sure"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_growth(facts: CycleFacts, cause: str, verdict: Verdict, sure: float) -> None:
    found = judged(facts)
    assert (cause, verdict, sure) in [(one.cause, one.verdict, one.confidence) for one in found]
    faults = [one for one in found if one.verdict is Verdict.FAULT]
    assert len(faults) == (verdict is Verdict.FAULT)


def test_sockets_whose_peers_have_gone_are_said() -> None:
    leaking = server([25, 30, 35, 40, 46, 46])
    waiting = replace(leaking, samples=(*leaking.samples[:-1], replace(leaking.samples[-1], close_wait=20)))
    (found,) = [one for one in judged(cycles(waiting)) if one.verdict is Verdict.FAULT]
    assert "20 of them sockets in CLOSE_WAIT" in found.summary


def test_what_one_connection_costs() -> None:
    told = server(FLAT)
    cost = cost_of(cycles(told), told)
    assert cost.memory_bytes == pytest.approx(100_000)
    assert cost.cpu_s == pytest.approx(0.001)


def test_a_server_of_which_nothing_is_told_costs_nothing() -> None:
    told = Watched(how="metrics", place="metrics", name="metrics", processes=1, samples=())
    assert cost_of(cycles(told), told).memory_bytes is None
    assert [one.verdict for one in judged(cycles(told))] == []
