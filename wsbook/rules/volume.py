"""What happens to messages as their number rises: losses, copies and order, what never left, and how far it holds (area L).

Connections that were refused are in rules/volume_opening.py, moments in which everything stands in rules/volume_stalls.py.
"""

from collections.abc import Iterator, Sequence

from wsbook.evidence import Evidence
from wsbook.facts import LoadFacts, LoadRun, LossyConnection
from wsbook.finding import Finding
from wsbook.load_plan import LINE_FAULTS
from wsbook.observation import Observation
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.rules.volume_opening import judge_opening
from wsbook.rules.volume_servers import busy_of, judge_servers
from wsbook.rules.volume_stalls import judge_run_stalls
from wsbook.words import duration_text, quantity

__all__ = ["judge_volume"]

_LOST, _TWICE, _MOVED = "message.lost", "message.duplicated", "message.out-of-order"
_SLOW = "load.slow-consumer-no-backpressure"
_CODES = {
    1008: "load.rate-limited",
    1009: "frame.message-too-big",
    1011: "backend.exception-in-handler",
    1013: "load.rate-limited",
    4429: "load.rate-limited",
}
"""Close codes that say why a connection under load was ended (RFC 6455 section 7.4.1, IANA registry; 4429 as HTTP 429)."""
_UNSENT = 0.01
"""Share of what was due that could not leave from which on the peer did not take it."""
_IDLE = 0.5


def judge_volume(evidence: Evidence) -> Iterator[Finding]:
    """Judge load runs; those that our own generator spoilt say nothing."""
    for seen, facts in evidence.of(LoadFacts):
        runs = [run for run in facts.runs if not run.void]
        for run in facts.runs:
            if run.void and not troubled(run):
                yield from judge_run_stalls(seen, run)  # a little lag of ours spoils figures, and explains no standstill of a second
        if facts.void or (facts.runs and not runs):
            yield from _void(seen, facts)
            continue
        yield from judge_opening(seen, runs)
        plain = [run for run in runs if not troubled(run)]
        if plain and not any(run.sent or run.received for run in plain):
            yield _empty(seen, plain[0])
        elif plain:
            yield from _judge_messages(seen, facts, plain)
            yield from judge_servers(seen, plain)
            for run in plain:
                yield from judge_run_stalls(seen, run)


def _void(seen: Observation, facts: LoadFacts) -> Iterator[Finding]:
    """Say why the runs tell nothing of how much and how fast, and what was counted all the same.

    A generator that is late makes no copies and changes no order; what did not come back may be late itself.
    """
    why = facts.void or facts.runs[0].void
    runs = [run for run in facts.runs if not troubled(run)]
    total = quantity(sum(run.lost + run.received for run in runs), "message")
    counted = (
        (_LOST, sum(run.lost for run in runs), "did not come back"),
        (_TWICE, sum(run.duplicated for run in runs), "came twice"),
        (_MOVED, sum(run.reordered for run in runs), "came after a later one"),
    )
    found = [(slug, f"{count:,} of {total} {how}") for slug, count, how in counted if count]
    nothing = f"nothing is known of how much it carries: {why}"
    for slug, more in found:
        if slug == _LOST:
            words = f"{nothing}; {more} all the same"
            yield unknown(slug, 0.4, words, proof(seen, words))
        else:
            yield fault(slug, 0.75, f"{more}; {nothing}", proof(seen, more))
    if not found:
        yield unknown(_LOST, 0.0, nothing, proof(seen, nothing))


def _empty(seen: Observation, run: LoadRun) -> Finding:
    """No message left or came, though connections opened."""
    how = ", ".join(f"{count} by {how}" for how, count in run.ended[:3])
    words = (
        f"no message left, nor came, over {quantity(run.opened or run.connections, 'connection')}{f', which ended: {how}' if how else ''}"
    )
    return unknown(_LOST, 0.05, words, proof(seen, words))


def troubled(run: LoadRun) -> bool:
    """Whether we made trouble on the way ourselves during the run: then what is lost is our own doing."""
    return any(spell.name.split(" ", 1)[0] in LINE_FAULTS for spell in run.spells)


def load_text(run: LoadRun) -> str:
    """Return the load of a run in words."""
    how = f"{run.rate:,.6g} messages/s" if run.rate else f"{run.window} in flight on each connection"
    return f"{how} over {quantity(run.connections, 'connection')}"


def _judge_messages(seen: Observation, facts: LoadFacts, runs: Sequence[LoadRun]) -> Iterator[Finding]:
    found = [
        *(_judge_sent_away(seen, runs) or _judge_lost(seen, runs)),
        *_judge_doubled(seen, runs),
        *_judge_moved(seen, runs),
        *_judge_unsent(seen, runs),
    ]
    yield from found
    if not any(finding.cause in (_LOST, _TWICE, _MOVED) for finding in found):
        yield _whole(seen, facts, runs)


def _whole(seen: Observation, facts: LoadFacts, runs: Sequence[LoadRun]) -> Finding:
    largest = max(runs, key=lambda run: (run.rate, run.received))
    late = f", p99 {duration_text(largest.p99_s)}" if largest.p99_s is not None else ""
    knee = ""
    if facts.knee is not None:
        broke = f"; at {facts.knee.broke_at:,.6g} {facts.knee.why or 'it did not'}" if facts.knee.broke_at is not None else ""
        knee = f"; it holds up to {facts.knee.rate:,.6g} messages/s{broke}"
    total = sum(run.sent or run.received for run in runs)
    words = f"{quantity(total, 'message')} at up to {load_text(largest)}, none lost{late}{knee}"
    return clear(_LOST, words, proof(seen, words), confidence=0.92)


# What is missing


def _judge_sent_away(seen: Observation, runs: Sequence[LoadRun]) -> list[Finding]:
    """Connections that the peer closed with a code that says why: what they and their listeners miss follows from that."""
    for run in runs:
        for how, count in run.ended:
            code = int(how.removeprefix("close ")) if how.removeprefix("close ").isdigit() else 0
            if code in _CODES:
                all_of = quantity(run.opened or run.connections, "connection")
                words = f"{count} of {all_of} closed by the peer with {code}, at {load_text(run)}"
                return [fault(_CODES[code], 0.7, words, proof(seen, words))]
    return []


def _judge_lost(seen: Observation, runs: Sequence[LoadRun]) -> Iterator[Finding]:
    lossy = [run for run in runs if run.lost]
    if not lossy:
        return
    first = min(lossy, key=lambda run: (run.rate, run.connections))
    lost, due = sum(run.lost for run in lossy), sum(run.lost + run.received for run in lossy)
    ended = [one for run in lossy for one in run.lossy if one.ended != "open" and one.lost]
    held = sum(run.lost for run in lossy) - sum(one.lost for one in ended)
    words = f"{lost:,} of {quantity(due, 'message')} were lost{_share(lost, due)}, the first at {load_text(first)}{_numbers(first)}"
    if held <= 0:
        yield _ended(seen, ended, words)
        return
    if all(map(_only_late, lossy)):
        last = f"{words}: the last ones of their connections, which may only have been late when waiting ended"
        yield unknown("backend.blocking-call-in-event-loop", 0.45, last, proof(seen, words))
        yield unknown(_LOST, 0.35, last, proof(seen, words))
        return
    yield fault(_LOST, 0.9, words + _held(runs, first), proof(seen, words))
    if first.slow_readers and not any(run.lost for run in runs if not run.slow_readers) and any(not run.slow_readers for run in runs):
        summary = f"{words}, beside {quantity(first.slow_readers, 'slow reader')}; without them none was"
        yield fault(_SLOW, 0.85, summary, proof(seen, summary))
    elif first.answered_by == "broadcast" and any(run.rate < first.rate and not run.lost for run in runs):
        yield unknown(
            "load.pubsub-overrun", 0.3, f"{words}; slower, none was: a queue between publisher and sockets may be full", proof(seen, words)
        )


def _only_late(run: LoadRun) -> bool:
    """Whether all that is missing on each connection is what was sent last: a server that stands still for a while does that as well."""
    told = sum(one.lost for one in run.lossy)
    tails = all(one.lost_numbers and one.lost == one.expected - one.lost_numbers[0] for one in run.lossy if one.lost)
    return run.answered_by != "sequence" and told == run.lost and tails


def _share(lost: int, due: int) -> str:
    return f" (1 in {due / lost:,.0f})" if lost and due >= 2 * lost else ""


def _numbers(run: LoadRun) -> str:
    one = next((one for one in run.lossy if one.lost), None)
    if one is None or not one.lost_numbers:
        return ""
    numbers = ", ".join(map(str, one.lost_numbers[:3]))
    count = run.lossy_count or len(run.lossy)
    some = f"{'misses' if count == 1 else 'miss'} some, such as number {numbers} of connection {one.number}"
    return f": {quantity(count, 'connection')} {some}"


def _held(runs: Sequence[LoadRun], first: LoadRun) -> str:
    slower = [run.rate for run in runs if not run.lost and run.rate < first.rate]
    return f"; up to {max(slower):,.6g} messages/s none" if slower else ""


def _ended(seen: Observation, ended: Sequence[LossyConnection], words: str) -> Finding:
    """All losses are those of connections that ended: it is their end that has to be explained."""
    first = ended[0]
    code = f" with {first.close_code}" if first.close_code is not None else f" ({first.ended})"
    summary = f"{words}, all on {quantity(len(ended), 'connection')} that ended meanwhile{code}"
    slug = _CODES.get(first.close_code or 0, "")
    return fault(slug, 0.7, summary, proof(seen, summary)) if slug else unknown(_LOST, 0.4, summary, proof(seen, summary))


# What is too much, or late


def _judge_doubled(seen: Observation, runs: Sequence[LoadRun]) -> Iterator[Finding]:
    if doubled := sum(run.duplicated for run in runs):
        first = next(run for run in runs if run.duplicated)
        words = (
            f"{doubled:,} copies too many came of {quantity(sum(run.received for run in runs), 'message')}, the first at {load_text(first)}"
        )
        yield fault(_TWICE, 0.85, words, proof(seen, words))


def _judge_moved(seen: Observation, runs: Sequence[LoadRun]) -> Iterator[Finding]:
    if moved := sum(run.reordered for run in runs):
        first = next(run for run in runs if run.reordered)
        total = quantity(sum(run.received for run in runs), "message")
        words = f"{moved:,} of {total} came after a later one of their connection, the first at {load_text(first)}"
        yield fault(_MOVED, 0.85, words, proof(seen, words))


def _judge_unsent(seen: Observation, runs: Sequence[LoadRun]) -> Iterator[Finding]:
    """What was due and could not leave: the peer took no more. A server that is busy has met its limit; one that is idle has stopped."""
    stuck = [run for run in runs if run.unsent > _UNSENT * (run.sent + run.unsent)]
    if not stuck:
        return
    first = min(stuck, key=lambda run: run.rate)
    busy = busy_of(first)
    due = quantity(first.sent + first.unsent, "message")
    words = f"{first.unsent:,} of {due} due at {load_text(first)} could not leave, because the peer took no more"
    if busy is not None and busy < _IDLE:
        summary = f"{words}, while the server used {busy:.0%} of a processor: it waits for something else"
        yield unknown("backend.blocking-call-in-event-loop", 0.35, summary, proof(seen, summary))
    elif busy is not None:
        summary = f"{words}; the server used {busy:.0%} of a processor: that is what it can do"
        yield unknown("load.broadcast-cost", 0.15, summary, proof(seen, summary))
    else:
        yield unknown(_SLOW, 0.15, words, proof(seen, words))
