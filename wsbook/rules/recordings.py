"""Several sockets of one recording beside one another: how they are repeated, doubled, renewed, and what accompanies them (areas F, J)."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from statistics import median
from urllib.parse import urlsplit

from wsbook.evidence import Evidence
from wsbook.facts import Frame, RecordingFacts
from wsbook.finding import Finding
from wsbook.observation import Observation
from wsbook.rules.known import causes_of_age
from wsbook.rules.lives import Life, data_of, groups_of, lives_of, numbers_of
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.wire.messages import is_heartbeat, is_subscription, number_of
from wsbook.words import duration_text, quantity

__all__ = ["judge_recordings"]

_SHORT_S = 5.0
"""A socket that lived less did not serve."""
_ATTEMPTS = 5
_EARLY = 8
"""Waits that tell the page's own spacing: a browser slows down attempts that go on failing, the more the longer."""
_STORM_S = 1.0
_NOTICED_S = 0.3
"""Waits that grow and stay below this spare nobody."""
_CONSTANT_S = 10.0
_EVEN = 0.15
_OVERLAP_S = 2.0
_SAME_S = 1.0
_GOES_ON_S = 60.0
_COPIES = 50
"""First messages of a socket that are looked at for copies."""
_RACE = 1_000
"""Numbers further apart count different things."""


def judge_recordings(evidence: Evidence) -> Iterator[Finding]:
    """Judge the sockets of each address, and each recording as a whole."""
    lives = lives_of(evidence)
    recordings = list(evidence.of(RecordingFacts))
    many_clients = {seen.source.artifact for seen, facts in recordings if facts.one_browser is False}
    for group in groups_of(lives):
        yield from _judge_ages(group)
        for life in group:
            yield from _judge_copies(life)
        if group[0].seen.source.artifact not in many_clients:
            for judge in (_judge_spacing, _judge_doubles, _judge_aborted) if all(life.timed for life in group) else ():
                yield from judge(group)
            yield from _judge_renewal(group)
            yield from _judge_expiry(group)
    for seen, facts in recordings:
        mine = [life for life in lives if life.seen.source.artifact == seen.source.artifact]
        for judge_whole in (_judge_credentials, _judge_giving_up, _judge_snapshots):
            yield from judge_whole(seen, facts, mine)


def _failed_runs(group: list[Life]) -> Iterator[list[Life]]:
    """Yield runs of attempts in a row that failed or did not last."""
    run: list[Life] = []
    for life in group:
        if life.broke and (life.session is None or (life.session.age_s or 0.0) < _SHORT_S):
            run.append(life)
        elif not life.by_the_page:
            yield run
            run = []
    yield run


def _judge_spacing(group: list[Life]) -> Iterator[Finding]:
    """The waits between attempts that failed one after another."""
    for run in _failed_runs(group):
        waits = [b.started_s - (a.ended_s or a.started_s) for a, b in pairwise(run)]
        if len(run) < _ATTEMPTS or min(waits) < -0.05:
            continue
        own = waits[:_EARLY]
        usual, grow = median(own), _grow(own)
        words = f"{len(run)} attempts in a row failed, with waits of {duration_text(max(0.0, min(waits)))} to {duration_text(max(waits))}"
        seen = proof(run[-1].seen, words)
        even = max(own) - min(own) <= max(_EVEN * usual, 0.1)
        if usual < _STORM_S and not (grow and own[-1] >= _NOTICED_S):
            yield fault("client.reconnect-no-backoff", 0.75, f"{words}: a storm", seen)
        elif grow:
            yield clear("client.reconnect-no-backoff", f"{words}: they grow", seen)
        elif even and usual <= _CONSTANT_S:
            yield fault("client.reconnect-no-backoff", 0.5, f"{words}: always the same, which is no backoff", seen)


def _grow(waits: list[float]) -> bool:
    """Tell whether the later half of the waits is clearly longer than the earlier one."""
    half = len(waits) // 2
    return median(waits[half:]) >= 1.5 * median(waits[:half])


def _judge_doubles(group: list[Life]) -> Iterator[Finding]:
    """Two sockets of one page to one address that are open together."""
    opened = [life for life in group if life.session is not None]
    for a, b in pairwise(opened):
        together_s = min(a.last_s, b.last_s) - b.started_s
        if together_s < _OVERLAP_S:
            continue
        same, of = _same_messages(a, b)
        words = f"two sockets to {urlsplit(b.upgrade.url).path or '/'} are open together for at least {duration_text(together_s)}"
        if same >= 2 and same >= 0.5 * of:
            yield fault(
                "client.double-connect", 0.75 if same >= 3 else 0.6, f"{words} and carry the same {same} messages", proof(b.seen, words)
            )
        elif of == 0:
            yield unknown("client.double-connect", 0.35, words, proof(b.seen, words))
        else:
            continue
        return


def _judge_aborted(group: list[Life]) -> Iterator[Finding]:
    """The page gives up an attempt at once and opens another, as effects do that run twice."""
    twice = [
        b
        for a, b in pairwise(group)
        if a.session is None and a.by_the_page and b.upgrade.accepted and 0 <= b.started_s - a.started_s <= _SAME_S
    ]
    if twice:
        words = f"{quantity(len(twice), 'attempt')} given up by the page within {duration_text(_SAME_S)}, each followed by one that opened"
        say = fault if len(twice) > 1 else unknown
        yield say("client.effect-cleanup-during-connect", 0.6 if len(twice) > 1 else 0.4, words, proof(twice[0].seen, words))


def _same_messages(a: Life, b: Life) -> tuple[int, int]:
    """Return (messages of b that came on a as well at that moment, messages of b)."""
    assert a.session is not None
    assert b.session is not None
    times: dict[str, list[float]] = {}
    for frame in data_of(a.session.frames):
        times.setdefault(frame.text, []).append(a.started_s + frame.at_s)
    mine = data_of(b.session.frames)
    same = sum(_near(b.started_s + frame.at_s, times.get(frame.text, [])) for frame in mine if frame.text)
    return same, len(mine)


def _near(at_s: float, times: list[float]) -> bool:
    """Tell whether one of the times, in ascending order, is almost the same."""
    index = bisect_left(times, at_s - _SAME_S)
    return index < len(times) and times[index] <= at_s + _SAME_S


def _judge_copies(life: Life) -> Iterator[Finding]:
    """Messages of one socket that all came equally often, close together."""
    frames = data_of(life.session.frames)[:_COPIES] if life.session else []
    counts = Counter(frame.text for frame in frames if frame.text)
    if len(counts) < 2 or min(counts.values()) < 2 or len(set(counts.values())) > 1 or frames[-1].at_s - frames[0].at_s > _SHORT_S:
        return
    words = f"each of {len(counts)} messages came {next(iter(counts.values()))} times within {duration_text(_SHORT_S)}"
    yield unknown("message.duplicated", 0.45, words, proof(life.seen, words))


def _judge_renewal(group: list[Life]) -> Iterator[Finding]:
    """What is missing on a socket that replaces another."""
    opened = [life for life in group if life.session is not None]
    for a, b in pairwise(opened):
        if a.session is None or b.session is None or a.session.frame_count > len(a.session.frames):
            continue
        if a.timed and b.started_s < a.last_s - _SAME_S:
            continue
        yield from _judge_gap(a, b)
        subscribed = [any(is_subscription(f.text) for f in life.session.frames if f.direction == "sent") for life in (a, b) if life.session]
        beats = sum(is_heartbeat(f.text, f.opcode) for f in b.session.frames)
        if (
            subscribed == [True, False]
            and data_of(a.session.frames)
            and not data_of(b.session.frames)
            and (beats >= 2 or b.last_s - b.started_s >= 30)
        ):
            words = f"after the reconnect no subscription is sent, and no message comes within {duration_text(b.last_s - b.started_s)}"
            yield fault("client.no-resubscribe-after-reconnect", 0.8, words, proof(b.seen, words))


def _judge_gap(a: Life, b: Life) -> Iterator[Finding]:
    """The numbers between the last message of one socket and the first of the next."""
    before, after = (numbers_of(life.session.frames) if life.session else {} for life in (a, b))
    for name in before.keys() & after.keys():
        last, first = max(n for _, n in before[name]), min(n for _, n in after[name])
        if 1 < first - last <= _RACE:
            words = f"{name} ends with {last} before the reconnect and goes on with {first} after it: {first - last - 1} never came"
            yield fault("client.no-catch-up-after-reconnect", 0.75, words, proof(b.seen, words))
            return
    ends = [[number for frame in data_of(life.session.frames) if (number := number_of(frame.text))] for life in (a, b) if life.session]
    if len(ends) == 2 and all(ends) and not before and not after:
        (name, last), (other, first) = ends[0][-1], ends[1][0]
        if name == other and name.lower().startswith("s") and 1 < first - last <= _RACE:
            words = f"{name} was {last} before the reconnect and is {first} after it: {first - last - 1} may be missing"
            yield unknown("client.no-catch-up-after-reconnect", 0.45, words, proof(b.seen, words))


def _judge_ages(group: list[Life]) -> Iterator[Finding]:
    """Sockets that all die at one age."""
    dead = [life for life in group if life.broke and life.session is not None and (life.session.age_s or 0.0) >= _SHORT_S]
    ages = [life.session.age_s for life in dead if life.session is not None and life.session.age_s is not None]
    if len(ages) < 3 or max(ages) - min(ages) > max(1.0, 0.03 * median(ages)):
        return
    silences = [life.session.idle_s for life in dead if life.session is not None and life.session.idle_s is not None]
    words = f"{len(ages)} sockets ended at the same age, {duration_text(min(ages))} to {duration_text(max(ages))}"
    if silences:
        words += f", after {duration_text(min(silences))} to {duration_text(max(silences))} of silence"
    for index, (slug, likely) in enumerate(causes_of_age(median(ages), min(silences) if silences else None)):
        yield (unknown if index else fault)(slug, min(0.7, likely + 0.1), words, proof(dead[-1].seen, words))


def _judge_expiry(group: list[Life]) -> Iterator[Finding]:
    """First accepted, later refused for want of rights, and never accepted again."""
    refused = [index for index, life in enumerate(group) if _unauthorised(life)]
    if len(refused) < 2 or refused[0] == 0 or any(life.upgrade.accepted and not _unauthorised(life) for life in group[refused[0] :]):
        return
    good = sum(life.upgrade.accepted for life in group[: refused[0]])
    if good:
        words = f"{quantity(good, 'attempt')} accepted, then {len(refused)} refused for want of rights, and none accepted since"
        yield fault("auth.token-expired-on-reconnect", 0.65, words, proof(group[refused[0]].seen, words))


def _unauthorised(life: Life) -> bool:
    return life.upgrade.status in (401, 403) or (life.session is not None and life.session.close_code in (1008, 4401, 4403))


def _judge_credentials(seen: Observation, facts: RecordingFacts, lives: list[Life]) -> Iterator[Finding]:
    """A refused upgrade without the cookie that other requests to its host carry."""
    for life in lives:
        host = urlsplit(life.upgrade.url).hostname or ""
        sent = {name for of, name in facts.credentials if of == host}
        asked = {name.lower() for name, _ in life.upgrade.request_headers}
        if life.upgrade.status in (401, 403) and asked and sent and not asked & {"cookie", "authorization"}:
            names = " and ".join(sorted(sent))
            words = f"answered {life.upgrade.status}: the upgrade carries no {names}, other requests to {host} do"
            yield fault("auth.credential-not-sent", 0.7, words, proof(life.seen, words))
            return


def _judge_giving_up(seen: Observation, facts: RecordingFacts, lives: list[Life]) -> Iterator[Finding]:
    """A socket that broke and was not tried again although the page went on."""
    if facts.one_browser is False or facts.last_s is None:
        return
    for group in groups_of(lives):
        last = max(group, key=lambda life: life.started_s)
        if last.broke and last.ended_s is not None and facts.last_s - last.ended_s >= _GOES_ON_S:
            words = f"the last socket ended {duration_text(facts.last_s - last.ended_s)} before the recording did, and no other was tried"
            polls = [one for one in facts.companions if one.count >= 3 and one.last_s >= last.ended_s]
            if polls:
                words = f"{words}; {quantity(polls[0].count, 'request')} to {polls[0].url} instead"
            yield unknown("client.no-reconnect", 0.45, words, proof(last.seen, words))


def _judge_snapshots(seen: Observation, facts: RecordingFacts, lives: list[Life]) -> Iterator[Finding]:
    """The first number on the socket leaves a gap after the snapshot fetched before."""
    for index, life in enumerate(lives):
        for frame, (name, number) in _first_numbers(life):
            at_s = life.started_s + frame.at_s
            known = [s.number for s in facts.snapshots if _same_field(s.field, name) and (s.at_s is None or s.at_s <= at_s)]
            later = any(_same_field(name, before) for earlier in lives[:index] for _, (before, _) in _first_numbers(earlier))
            lost = number - max(known, default=number) - 1
            if 0 < lost < _RACE and not later:
                words = f"the snapshot ends with {name} {max(known)}, the socket begins with {number}: {lost} between are lost"
                yield fault("message.snapshot-subscribe-race", 0.7, words, proof(life.seen, words))
                return


def _first_numbers(life: Life) -> Iterator[tuple[Frame, tuple[str, int]]]:
    """Yield the first received number of each field and channel."""
    told: set[str] = set()
    for frame in life.session.frames if life.session else ():
        number = number_of(frame.text) if frame.direction == "received" else None
        if number is not None and number[0] not in told:
            told.add(number[0])
            yield frame, number


def _same_field(one: str, other: str) -> bool:
    """Tell whether two names of number_of() mean the same count; a channel that only one of them names does not matter."""
    (name, _, channel), (name2, _, channel2) = one.partition(" of "), other.partition(" of ")
    return name == name2 and (not channel or not channel2 or channel == channel2)
