"""Connections that a load run could not open, or that took as long as a lost first packet: limits of number, rate and kernel (area L)."""

import re
from collections.abc import Iterator, Sequence

from wsbook.facts import LoadRun
from wsbook.finding import Finding
from wsbook.observation import Observation
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.words import cap, duration_text, quantity

__all__ = ["judge_opening"]

_CAP, _RATE = "load.connection-cap", "load.rate-limited"
_FILES, _PORTS, _KERNEL = "load.fd-limit-or-leak", "load.ephemeral-ports", "load.kernel-network-limits"
_NO_PORT = re.compile(r"EADDRNOTAVAIL|[Cc]annot assign requested address|\[Errno 99\]")
_NO_FILE = re.compile(r"EMFILE|ENFILE|[Tt]oo many open files|\[Errno 2[34]\]")
_TOO_FAST = re.compile(r"\b429\b|[Tt]oo [Mm]any [Rr]equests|rate.?limit", re.IGNORECASE)
_AGAIN_S = ((1.0, 1.2), (3.0, 3.4), (7.0, 7.7))
"""When a SYN that was dropped is sent again: after 1, 3 and 7 s (RFC 6298 section 2, Linux' first interval of 1 s, doubled)."""
_USUAL_S = 0.3
_ENOUGH = 20


def judge_opening(seen: Observation, runs: Sequence[LoadRun]) -> Iterator[Finding]:
    """Judge how many of the connections that were wanted were made, and how long they took."""
    short = [run for run in runs if run.asked and run.opened < run.asked]
    if short:
        yield from _judge_refused(seen, runs, short)
    elif largest := max((run for run in runs if run.opened >= _ENOUGH), key=lambda run: run.opened, default=None):
        words = f"{quantity(largest.opened, 'connection')} opened within {duration_text(largest.connect_s)}"
        yield clear(_CAP, words, proof(seen, words), confidence=0.6)
    yield from _judge_kernel(seen, runs)


def _judge_refused(seen: Observation, runs: Sequence[LoadRun], short: Sequence[LoadRun]) -> Iterator[Finding]:
    first = short[0]
    words = f"{first.opened} of {quantity(first.asked, 'connection')} opened; the next: {cap(first.why_refused, 160) or 'not told why'}"
    evident = proof(seen, words)
    if not any(run.opened for run in short):
        yield unknown(_CAP, 0.05, words, evident)
    elif limit := _limit_met(short):
        yield fault(_FILES, 0.95, f"{words}; {limit}", evident)
    elif _NO_PORT.search(first.why_refused):
        yield fault(_PORTS, 0.75, f"{words}: this machine has no local port left towards that address", evident)
    elif _NO_FILE.search(first.why_refused):
        yield unknown(_FILES, 0.3, f"{words}: it is this machine's own limit", evident)
    elif _TOO_FAST.search(first.why_refused):
        yield fault(_RATE, 0.85, words, evident)
    else:
        yield from _judge_plateau(seen, runs, short, words)


def _limit_met(runs: Sequence[LoadRun]) -> str:
    """Say which server had as many descriptors as it may, "" none."""
    for server in (server for run in runs for server in run.servers):
        most, limit = max((one.descriptors or 0 for one in server.samples), default=0), server.descriptor_limit
        if limit and most >= limit - 3:
            return f"{server.name} at {server.place} may open {limit} descriptors and had {most}"
    return ""


def _judge_plateau(seen: Observation, runs: Sequence[LoadRun], short: Sequence[LoadRun], words: str) -> Iterator[Finding]:
    """The same number again and again is a limit of how many there are; another number each time, of how fast they come."""
    counts = [run.opened for run in short]
    most = max(run.opened for run in runs)
    evident = proof(seen, words)
    if len(counts) > 1 and max(counts) - min(counts) <= max(1, 0.03 * max(counts)):
        yield fault(
            _CAP,
            0.88,
            f"{words}; {len(counts)} runs ended at {'the same number' if len(set(counts)) == 1 else 'about the same number'}",
            evident,
        )
    elif most > max(counts) or len(counts) > 1:
        yield fault(_RATE, 0.6, f"{words}; other runs opened {most}: it is no fixed number", evident)
        yield unknown(_CAP, 0.3, words, evident)
    else:
        yield fault(_CAP, 0.65, words, evident)
        yield unknown(_RATE, 0.4, f"{words}; if fewer at a time all open, it is their rate", evident)


def _judge_kernel(seen: Observation, runs: Sequence[LoadRun]) -> Iterator[Finding]:
    """Most connections open at once, and some take exactly as long as it takes to send a dropped SYN again."""
    for run in runs:
        usual, late = run.connect_p50_s, run.connect_p99_s
        if usual is None or late is None or usual > _USUAL_S or run.opened < _ENOUGH:
            continue
        again = next((low for low, high in _AGAIN_S if low <= late - usual <= high), None)
        if again is not None:
            words = (
                f"of {quantity(run.opened, 'connection')} the slowest hundredth took {duration_text(late)} to open, and the median "
                f"{duration_text(usual)}: their first packet was dropped, and sent again after {again:g} s"
            )
            yield fault(_KERNEL, 0.7, words, proof(seen, words))
            return
