"""Upgrade attempts and what lies below them, one row for each thing tried."""

from collections.abc import Iterable

import pandas as pd

from wsbook.describe import outcome_text
from wsbook.facts import EchoFacts, TlsFacts, UpgradeFacts
from wsbook.finding import Verdict
from wsbook.observation import Observation
from wsbook.views.tables.frames import frame, milliseconds, rows_of
from wsbook.words import MARKS, cap

__all__ = ["answered_s", "is_attempt", "table_attempts", "table_checks", "table_echo", "table_stages", "table_tls"]

STAGES = ("resolve", "tcp", "proxy", "tls", "upgrade", "first-message")


def _label(seen: Observation) -> str:
    return cap(" · ".join(filter(None, (seen.source.hop or seen.source.probe, *seen.source.changed))), 60)


def table_stages(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return the time of each stage of each attempt in ms; empty cells are stages that did not take place."""
    rows = []
    for seen in observations:
        if seen.stages:
            times = {f"{stage.name} (ms)": milliseconds(stage.duration_s) for stage in seen.stages}
            bad = next((stage for stage in seen.stages if not stage.ok and stage.name != "first-message"), None)
            failed = f"{bad.name} {bad.detail}".strip() if bad else ""
            rows.append({"attempt": _label(seen), **times, "total (ms)": milliseconds(answered_s(seen)), "failed": failed})
    present = [f"{name} (ms)" for name in STAGES if any(f"{name} (ms)" in row for row in rows)]
    return frame(rows, ["attempt", *present, "total (ms)", "failed"])


def _result(seen: Observation) -> str:
    if isinstance(seen.facts, UpgradeFacts) and (seen.facts.status is not None or not seen.failure):
        return outcome_text(seen.facts)
    return seen.failure.reason.value if seen.failure else seen.outcome.value


def _passed(seen: Observation) -> bool:
    return isinstance(seen.facts, UpgradeFacts) and seen.facts.accepted


def is_attempt(seen: Observation) -> bool:
    """Tell whether an observation is an opening handshake, or one that did not get so far."""
    return isinstance(seen.facts, UpgradeFacts) or (seen.facts is None and bool(seen.stages))


def answered_s(seen: Observation) -> float:
    """Return how long an attempt took until its answer, in seconds; waiting for a first message does not count."""
    ends = [stage.started_s + stage.duration_s for stage in seen.stages if stage.name != "first-message"]
    return max(ends, default=seen.duration_s)


def table_attempts(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return the experiment: each attempt, the one thing that it changes, its result, and whether that flips the baseline's."""
    tried = [seen for seen in observations if is_attempt(seen)]
    baseline: dict[str, Observation] = {}
    for seen in tried:
        if not seen.source.changed:
            baseline.setdefault(seen.source.hop, seen)
    reference = baseline.get("endpoint") or (tried[0] if tried else None)
    rows = []
    for seen in tried:
        compared = baseline.get(seen.source.hop, reference) if seen.source.changed else reference
        flips = compared is not None and compared is not seen and _passed(compared) != _passed(seen)
        facts = seen.facts if isinstance(seen.facts, UpgradeFacts) else None
        rows.append(
            {
                "tried at": seen.source.hop or seen.source.probe,
                "changed": cap("; ".join(seen.source.changed), 80) or "nothing (baseline)",
                "result": _result(seen),
                "flips": "" if not flips else "◀ flips" if _passed(seen) else "◁ refused",
                "answered by": cap((facts.header("server") or "") if facts else "", 40),
                "peer": (facts.peer or "") if facts else "",
                "time (ms)": milliseconds(answered_s(seen)),
            }
        )
    return frame(rows, ["tried at", "changed", "result", "flips", "answered by", "peer", "time (ms)"])


def table_checks(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return the separate verdicts on each baseline handshake: status, Upgrade, Connection, Accept, subprotocol, extensions."""
    rows = [
        {
            "tried at": seen.source.hop or seen.source.probe,
            "check": check.name,
            "holds": MARKS[Verdict.CLEAR if check.ok else Verdict.FAULT],
            "detail": cap(check.detail),
        }
        for seen, facts in rows_of(observations, UpgradeFacts)
        if not seen.source.changed
        for check in facts.checks
    ]
    return frame(rows, ["tried at", "check", "holds", "detail"])


def table_echo(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return each message sent to see whether it comes back unharmed."""
    rows = [
        {
            "kind": trial.kind,
            "size (B)": trial.size_bytes,
            "unharmed": MARKS[Verdict.CLEAR if trial.ok else Verdict.FAULT],
            "round trip (ms)": milliseconds(trial.rtt_s),
            "sent on the wire (B)": trial.sent_wire_bytes,
            "received on the wire (B)": trial.received_wire_bytes,
            "detail": cap(trial.detail),
        }
        for _, facts in rows_of(observations, EchoFacts)
        for trial in facts.trials
    ]
    return frame(rows, ["kind", "size (B)", "unharmed", "round trip (ms)", "sent on the wire (B)", "received on the wire (B)", "detail"])


def table_tls(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return what TLS listeners showed."""
    seen_all = tuple(observations)
    shown = [facts for _, facts in rows_of(seen_all, TlsFacts)] + [facts.tls for _, facts in rows_of(seen_all, UpgradeFacts) if facts.tls]
    rows = [
        {
            "server name": facts.server_name,
            "version": facts.version or "",
            "ALPN": facts.alpn or "",
            "subject": cap(facts.subject, 60),
            "issuer": cap(facts.issuer, 60),
            "not after": facts.not_after,
            "verification": "accepted" if facts.verify_code == 0 else cap(facts.verify_message, 60),
        }
        for facts in dict.fromkeys(shown)
    ]
    return frame(rows, ["server name", "version", "ALPN", "subject", "issuer", "not after", "verification"])
