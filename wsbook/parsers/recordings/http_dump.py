"""Requests and answers written as text: curl, developer tools, raw HTTP, wscat, s_client, or hand-written notes. Must not judge them.

Layouts of developer tools and packets are brought into raw lines by dump_layouts.py, lines are read by dump_reader.py, and what tools say
when nothing answers by dump_ends.py. Times that notes tell count from 1970.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice

from msgspec.structs import replace

from wsbook.facts import RecordingFacts, SessionFacts, Snapshot, TextFacts, UpgradeFacts
from wsbook.observation import Observation, Source, observed
from wsbook.parsers.recordings.dump_ends import find_end, find_tls
from wsbook.parsers.recordings.dump_layouts import raw_lines
from wsbook.parsers.recordings.dump_reader import DumpReader, Told
from wsbook.parsers.recordings.recorded import body_observations, is_upgrade, upgrade_facts
from wsbook.parsers.texts import ANSI
from wsbook.signatures import Tally, matcher
from wsbook.wire.messages import number_of

__all__ = ["parse_http_dump"]

LINES = 50_000
"""Lines of a dump that are read; more than that is a log."""
GREETING = re.compile(r'(?:^|\s)4?0(?:/[^,]{0,80},)?\{"sid"')
TEXT_CHARS = 1_000_000
"""Characters of a dump that are searched for failures and certificates."""


def _session(told: Told) -> SessionFacts:
    last_s = told.frames[-1].at_s if told.frames else 0.0
    return SessionFacts(
        url=told.url,
        frames=tuple(told.frames),
        frame_count=len(told.frames),
        ended="unknown" if told.code in (None, 1006) else "close",
        close_code=told.code,
        age_s=told.age_s,
        idle_s=max(0.0, told.age_s - last_s) if told.age_s is not None else None,
    )


def _known_texts(lines: list[str]) -> Tally:
    search, tally = matcher("body", "browser_console", "backend_log"), Tally()
    asked = any("EIO=" in line for line in lines)  # then the greeting of Engine.IO is what was asked for
    for hit in search.scan(["" if asked and GREETING.search(line) else line for line in lines]):
        if hit.text[:2] != "* " or "body" in hit.signature.kinds:  # curl's own notes name what it offers, too
            tally.add(hit, hit.index + 1)
    return tally


def _observations(reader: DumpReader, text: str, source: Source) -> Iterator[Observation]:
    upgrades = [(line, exchange) for line, exchange in reader.exchanges if is_upgrade(exchange)]
    tls, failed = find_tls(text), None if reader.exchanges and any(e.status for _, e in reader.exchanges) else find_end(text)
    if failed is not None:
        url = next((exchange.url for _, exchange in upgrades), "") or failed[0]
        yield observed(source, UpgradeFacts(url=url, accepted=False, tls=tls, error_text=failed[1].message), failure=failed[1])
        return
    for line, exchange in upgrades:
        at = None if exchange.at_s is None else datetime.fromtimestamp(exchange.at_s, UTC)
        yield observed(replace(source, line=line), replace(upgrade_facts(exchange), tls=tls), observed_at=at)
    if tls is not None and not upgrades:
        yield observed(source, tls)
    for told in reader.sockets:
        if told.frames or told.line:
            at = None if told.opened_s is None else datetime.fromtimestamp(told.opened_s, UTC)
            yield observed(replace(source, line=told.line), _session(told), observed_at=at)


def _recording(reader: DumpReader) -> RecordingFacts | None:
    """Return the numbers of the JSON answers that an application fetched beside its socket, None when there are none."""
    plain = [(exchange.url, exchange.body) for _, exchange in reader.exchanges if exchange.status == 200 and not is_upgrade(exchange)]
    found = [(url, number_of(text)) for url, text in (*reader.snapshots, *plain)]
    snapshots = tuple(Snapshot(url=url[:500], field=number[0], number=number[1]) for url, number in found if number is not None)
    return RecordingFacts(entries=len(reader.exchanges), one_browser=True, snapshots=snapshots[:50]) if snapshots else None


def parse_http_dump(lines: Iterable[str], *, artifact: str, step: str = "1.2") -> list[Observation]:
    """Return what a dump holds: UpgradeFacts of WebSocket handshakes, a SessionFacts when frames or a closing are told, SignatureFacts
    of known texts, one TextFacts for the whole (items: exchanges). Only the first 50,000 lines are read."""
    kept = [ANSI.sub("", line.replace("\n", " ")) for line in islice(lines, LINES)]
    reader = DumpReader()
    for number, line in raw_lines(kept):
        reader.line(line[:16384], number)
    reader.finish()
    source = Source(step=step, probe="http_dump", artifact=artifact)
    whole = TextFacts(kind="http_dump", size_bytes=sum(map(len, kept)) + len(kept), items=len(reader.exchanges))
    tally = _known_texts(kept)
    bodies = [(line, exchange.body) for line, exchange in reader.exchanges if "\n" in exchange.body]
    known = {facts.signature for _, _, facts in tally.facts()}
    joined = [seen for seen in body_observations(bodies, source) if getattr(seen.facts, "signature", "") not in known]
    texts = [observed(replace(source, line=first, line_end=last), facts) for first, last, facts in tally.facts()]
    beside = _recording(reader)
    return [
        *texts,
        *joined,
        *_observations(reader, "\n".join(kept)[:TEXT_CHARS], source),
        *([observed(source, beside)] if beside else []),
        observed(source, whole),
    ]
