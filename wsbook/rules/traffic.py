"""What passes on one open socket that somebody watched: errors, gaps and copies, heartbeats, silence (areas G, J, K of the catalogue)."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice, pairwise
from statistics import median

from wsbook.evidence import Evidence
from wsbook.facts import EchoFacts, Frame, SessionFacts
from wsbook.finding import Finding, Proof
from wsbook.rules.lives import Life, data_of, lives_of, numbers_of
from wsbook.rules.make import fault, proof, unknown
from wsbook.wire.messages import errors_in, is_heartbeat
from wsbook.words import duration_text, quantity, size_text

__all__ = ["judge_traffic"]

_COPY_S = 0.25
"""Equal messages within this are copies; later ones may be new and equal."""
_COPY_CHARS = 12
_COPIES = 6
_HALF_OPEN_S = 45.0
_THROTTLED_S = (55.0, 65.0)
"""Chrome runs timers of hidden pages once a minute (intensive throttling)."""
_ONLY_BEATS_S = 45.0
_AT_ONCE_S = 2.0
_BIG_BYTES = 60_000
_JUMP = 1_000
"""A larger step between numbers begins another count."""
_CANDIDATES = 20


def judge_traffic(evidence: Evidence) -> Iterator[Finding]:
    """Judge the frames of every socket that a browser, a recording or a dump shows."""
    compressed = _passes_compressed(evidence)
    for life in lives_of(evidence):
        if life.session is not None:
            for judge in (
                _judge_errors,
                _judge_order,
                _judge_copies,
                _judge_beats,
                _judge_silence,
                _judge_last_frames,
            ):
                yield from judge(life, life.session)
            yield from _judge_first_frames(life, life.session, compressed)


def _proof(life: Life, words: str) -> Proof:
    return proof(life.seen, words)


def _judge_errors(life: Life, session: SessionFacts) -> Iterator[Finding]:
    """An error that the server says in a message."""
    told: set[str] = set()
    for frame in session.frames:
        for error in errors_in(frame.text) if frame.direction == "received" and frame.text else ():
            if error.id not in told:
                told.add(error.id)
                words = f"{duration_text(frame.at_s)} after the 101 the server says “{frame.text[:150].strip()}”"
                for slug, weight in error.causes:
                    yield fault(slug, weight, words, _proof(life, frame.text[:200]))


def _judge_order(life: Life, session: SessionFacts) -> Iterator[Finding]:
    """Sequence numbers: what is missing, repeated, late."""
    for name, rows in numbers_of(session.frames).items():
        numbers = [number for _, number in rows]
        counts = Counter(numbers)
        gaps = [(a, b - a - 1) for a, b in pairwise(sorted(counts)) if 1 < b - a <= _JUMP]
        missing = sum(size for _, size in gaps)
        texts = {(number, frame.text) for frame, number in rows}
        if len(texts) > len(counts):
            continue  # one number, several messages: it counts something else
        repeated = [number for number, count in counts.items() if count > 1]
        late = sum(b < a for a, b in pairwise(numbers) if b not in repeated)
        if missing:
            words = f"{quantity(missing, 'number')} of {name} missing among {len(counts)} on one open socket, the first is {gaps[0][0] + 1}"
            yield fault("message.lost", 0.7, words, _proof(life, words))
            yield unknown("load.slow-consumer-no-backpressure", 0.25, words, _proof(life, words))
            yield unknown("load.pubsub-overrun", 0.2, words, _proof(life, words))
        if late and not missing:
            words = f"{quantity(late, 'message')} of {len(rows)} arrived after a later {name}"
            yield fault("message.out-of-order", 0.7, words, _proof(life, words))
        if repeated:
            yield from _judge_repeats(life, [counts[number] for number in counts], f"{name} {repeated[0]}")


def _judge_repeats(life: Life, copies: list[int], example: str) -> Iterator[Finding]:
    """Every message the same number of times is the work of as many publishers or subscriptions; single ones are redelivered."""
    usual, often = Counter(copies).most_common(1)[0]
    repeated = sum(count > 1 for count in copies)
    words = f"{repeated} of {quantity(len(copies), 'message')} came more than once on one socket, such as {example}"
    if usual > 1 and often >= 0.8 * len(copies) and (len(copies) >= 4 or not life.timed):
        words = f"{often} of {quantity(len(copies), 'message')} came exactly {usual} times on one socket, such as {example}"
        yield fault("cluster.every-instance-publishes", 0.6, words, _proof(life, words))
        yield fault("message.duplicated", 0.4, words, _proof(life, words))
    else:
        yield fault("message.duplicated", 0.65, words, _proof(life, words))
        yield unknown("cluster.every-instance-publishes", 0.3, words, _proof(life, words))


def _judge_copies(life: Life, session: SessionFacts) -> Iterator[Finding]:
    """Messages without numbers: equal texts at almost the same moment."""
    data = [frame for frame in data_of(session.frames) if len(frame.text) >= _COPY_CHARS]
    if len(data) < (_COPIES if life.timed else 3) or numbers_of(session.frames):
        return
    copies: list[int] = []
    last: dict[str, tuple[float, int]] = {}
    for frame in data:
        at_s, index = last.get(frame.text, (float("-inf"), -1))
        if frame.at_s - at_s <= _COPY_S:
            copies[index] += 1
        else:
            last[frame.text] = (frame.at_s, len(copies))
            copies.append(1)
    few = not life.timed and min(copies) >= 3  # an excerpt shows one message or two
    if few or sum(count > 1 for count in copies) >= max(3, 0.3 * len(copies)):
        example = next((text for text, (_, index) in last.items() if copies[index] > 1), data[0].text)
        yield from _judge_repeats(life, copies, f"“{example[:80]}”")


def _judge_beats(life: Life, session: SessionFacts) -> Iterator[Finding]:
    """Heartbeats that become as slow as the timers of a hidden page."""
    sent = [frame.at_s for frame in session.frames if frame.direction == "sent" and is_heartbeat(frame.text, frame.opcode)]
    gaps = [b - a for a, b in pairwise(sent)]
    low, high = _THROTTLED_S
    slow = next((index for index, gap in enumerate(gaps) if low <= gap <= high), None)
    if slow is None or slow < 3 or not all(gap >= low for gap in gaps[slow:]) or median(gaps[:slow]) > 0.8 * low:
        return
    words = (
        f"the page's heartbeat slows down from {duration_text(median(gaps[:slow]))} to {duration_text(gaps[slow])} after {slow + 1} of them"
    )
    yield (fault if life.broke else unknown)("browser.background-tab-throttling", 0.6, words, _proof(life, words))


def _judge_silence(life: Life, session: SessionFacts) -> Iterator[Finding]:
    """A socket that carries nothing but heartbeats, or on which only we still speak."""
    frames = session.frames
    if not frames or session.frame_count > len(frames):
        return
    received = [frame for frame in frames if frame.direction == "received"]
    end_s = max(frames[-1].at_s, session.age_s or 0.0)
    beats = [frame for frame in frames if is_heartbeat(frame.text, frame.opcode)]
    quiet_s = frames[-1].at_s - (received[-1].at_s if received else 0.0)
    asked = sum(f.direction == "sent" and (not received or f.at_s > received[-1].at_s) for f in beats)
    if received and asked >= 2 and quiet_s >= _HALF_OPEN_S and any(f.direction == "received" for f in beats):
        words = f"{quantity(asked, 'heartbeat')} sent and nothing received for {duration_text(quiet_s)} before the end: the peer is gone"
        yield fault("heartbeat.none-half-open", 0.6, words, _proof(life, words))
    elif asked >= 3 and quiet_s >= _HALF_OPEN_S:
        words = f"{quantity(asked, 'heartbeat')} sent and nothing received for {duration_text(quiet_s)}"
        yield unknown("heartbeat.none-half-open", 0.4, words, _proof(life, words))
    elif len(beats) >= 3 and len(beats) >= len(frames) - 2 and not data_of(frames) and end_s >= _ONLY_BEATS_S:
        words = f"only heartbeats ({len(beats)}) pass during {duration_text(end_s)}, no message"
        for slug, likely in (
            ("client.no-resubscribe-after-reconnect", 0.3),
            ("client.send-before-open", 0.25),
            ("cluster.pubsub-misconfigured", 0.25),
        ):
            yield unknown(slug, likely, words, _proof(life, words))


def _passes_compressed(evidence: Evidence) -> bool:
    """Whether messages of ours came back unharmed that had travelled compressed."""
    trials = [trial for _, facts in evidence.of(EchoFacts) for trial in facts.trials]
    packed = [trial for trial in trials if trial.sent_wire_bytes is not None and trial.sent_wire_bytes < trial.size_bytes]
    return bool(packed) and all(trial.ok for trial in packed)


def _judge_first_frames(life: Life, session: SessionFacts, compressed: bool) -> Iterator[Finding]:
    """A socket that agreed on compression and broke before any message came. compressed: others pass so."""
    deflate = any("permessage-deflate" in name for name in life.upgrade.extensions)
    young = session.age_s is not None and session.age_s <= _AT_ONCE_S
    abnormal = (
        session.close_code in (None, 1002, 1006) and session.ended in ("unknown", "fin", "rst", "close") and session.closed_by != "us"
    )
    if not (deflate and young and abnormal) or data_of(session.frames) or life.by_the_page:
        return
    words = f"101 with permessage-deflate, then broken after {duration_text(session.age_s)} without one message"
    if compressed:
        yield unknown("frame.compression-broken", 0.15, f"{words}, and messages of ours came back compressed", _proof(life, words))
        return
    yield fault("frame.compression-broken", 0.5, words, _proof(life, words))
    yield unknown("backend.multiple-upgrade-handlers", 0.35, words, _proof(life, words))


def _judge_last_frames(life: Life, session: SessionFacts) -> Iterator[Finding]:
    """A socket that broke right after the largest message it ever carried, and messages with several documents."""
    frames = session.frames
    doubtful = (f for f in frames if f.direction == "received" and f.opcode == 1 and f.text[:1] == "{" and "}{" in f.text)
    glued = next((frame for frame in islice(doubtful, _CANDIDATES) if _is_glued(frame)), None)
    if glued is not None:
        words = f"one message holds several JSON documents: “{glued.text[:120]}”"
        yield fault("message.format-mismatch", 0.6, words, _proof(life, words))
    if not frames or session.frame_count > len(frames) or session.age_s is None or not life.broke:
        return
    last, before = frames[-1], max((frame.size_bytes for frame in frames[:-1]), default=0)
    if last.direction == "sent" and last.size_bytes >= max(_BIG_BYTES, 2 * before) and session.age_s - last.at_s <= _AT_ONCE_S:
        words = f"broke {duration_text(session.age_s - last.at_s)} after sending {size_text(last.size_bytes)}, its largest message by far"
        yield fault("frame.message-too-big", 0.65, words, _proof(life, words))


def _is_glued(frame: Frame) -> bool:
    """Tell whether a text is one JSON object right after another: braces balance at a seam outside of strings."""
    depth, inside, escaped = 0, False, False
    for position, letter in enumerate(frame.text):
        if inside:
            escaped, inside = (not escaped and letter == "\\"), inside and (escaped or letter != '"')
        elif letter == '"':
            inside = True
        elif letter in "{}":
            depth += 1 if letter == "{" else -1
            if depth == 0:
                return frame.text[position + 1 : position + 2] == "{"
    return False
