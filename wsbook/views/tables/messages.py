"""What the open socket was asked in the direct test, and the commands that repeat each attempt."""

from collections.abc import Iterable

import pandas as pd

from wsbook.facts import CompressionFacts, DialectFacts, FramingFacts, SizeFacts, Stream, UpgradeFacts
from wsbook.finding import Verdict
from wsbook.observation import Observation
from wsbook.views.tables.frames import frame, milliseconds, rows_of
from wsbook.wire.dialects.refusals import refusals
from wsbook.wire.limits import limits_between
from wsbook.words import MARKS, cap, plain

__all__ = ["table_commands", "table_compression", "table_dialect", "table_framing", "table_sizes"]

_MARK = {True: MARKS[Verdict.CLEAR], False: MARKS[Verdict.FAULT], None: MARKS[Verdict.UNKNOWN]}


def table_framing(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return each unusual but legal frame sequence, its section of RFC 6455, and whether the peer coped.

    demanded: the section says MUST; otherwise a peer may do as it likes, and ✗ is only a fact.
    """
    rows = [
        {
            "tried at": seen.source.hop,
            "sent": trial.name,
            "RFC 6455": trial.section,
            "demanded": "yes" if trial.must else "no",
            "handled": _MARK[trial.ok],
            "detail": cap(trial.detail),
            "time (ms)": milliseconds(trial.rtt_s),
        }
        for seen, facts in rows_of(observations, FramingFacts)
        for trial in facts.trials
    ]
    return frame(rows, ["tried at", "sent", "RFC 6455", "demanded", "handled", "detail", "time (ms)"])


def table_sizes(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return the largest message that each hop takes, the smallest refused, how, and the known defaults that lie between."""
    rows = []
    for seen, facts in rows_of(observations, SizeFacts):
        refused = facts.refused_bytes
        known = limits_between(facts.accepted_bytes, refused) if refused is not None else ()
        how = f"{facts.how} {facts.close_code or ''} {facts.close_reason}".strip()
        rows.append(
            {
                "tried at": seen.source.hop,
                "largest taken (B)": facts.accepted_bytes,
                "smallest refused (B)": "none" if refused is None else str(refused),
                "refused by": cap(how, 60) if refused is not None else "",
                "default of": ", ".join(dict.fromkeys(limit.product for limit in known)),
                "messages tried": len(facts.trials),
            }
        )
    return frame(rows, ["tried at", "largest taken (B)", "smallest refused (B)", "refused by", "default of", "messages tried"])


def _stream(hop: str, offered: str, stream: Stream) -> dict[str, object]:
    payload, wire = stream.sent_bytes + stream.received_bytes, stream.sent_wire_bytes + stream.received_wire_bytes
    code = f" {stream.close_code}" if stream.close_code is not None else ""
    return {
        "tried at": hop,
        "offered": cap(offered, 60),
        "agreed": cap(stream.agreed, 80),
        "ended": f"{stream.ended}{code}",
        "texts answered": stream.answered,
        "messages received": stream.received,
        "payload (B)": payload,
        "on the wire (B)": wire,
        "wire / payload": round(wire / payload, 3) if payload else None,
    }


_COMPRESSION = ["tried at", "offered", "agreed", "ended", "texts answered", "messages received", "payload (B)", "on the wire (B)"]


def table_compression(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return the same texts with and without permessage-deflate, one row each."""
    rows = []
    for seen, facts in rows_of(observations, CompressionFacts):
        rows.append(_stream(seen.source.hop, facts.offered, facts.compressed))
        rows += [_stream(seen.source.hop, "nothing", facts.plain)] if facts.plain else []
    return frame(rows, [*_COMPRESSION, "wire / payload"])


def table_dialect(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return what a client of the endpoint's dialect does, step by step, what came of it, and what a refusal means."""
    rows = []
    for _, facts in rows_of(observations, DialectFacts):
        for step in facts.steps:
            known = refusals().get(step.refusal)
            answered = " ".join(str(value) for value in (step.status, step.code) if value is not None)
            rows.append(
                {
                    "dialect": facts.dialect,
                    "step": step.name,
                    "works": _MARK[step.ok],
                    "status, code": answered,
                    "detail": cap(step.detail),
                    "means": known.means if known else "",
                    "time (ms)": milliseconds(step.duration_s),
                }
            )
        rows += [{"dialect": facts.dialect, "step": f"announced {name}", "detail": cap(value)} for name, value in facts.settings]
        if facts.pairs:
            kept = facts.pairs - facts.pairs_lost
            rows.append(
                {
                    "dialect": facts.dialect,
                    "step": "sessions kept",
                    "works": _MARK[not facts.pairs_lost],
                    "detail": f"{kept} of {facts.pairs}",
                }
            )
    columns = ["dialect", "step", "works", "status, code", "detail", "means", "time (ms)"]
    blank = {"works": "", "status, code": "", "means": "", "time (ms)": None}
    return frame([blank | row for row in rows], columns)


def table_commands(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return the curl and websocat commands that repeat each attempt; secrets are variables of the shell. Nothing is cut."""
    rows = [
        {
            "tried at": seen.source.hop or seen.source.probe,
            "changed": cap("; ".join(seen.source.changed), 80) or "nothing (baseline)",
            "tool": tool,
            "command": plain(command),
        }
        for seen, facts in rows_of(observations, UpgradeFacts)
        for tool, command in facts.commands
    ]
    return frame(rows, ["tried at", "changed", "tool", "command"])
