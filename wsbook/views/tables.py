"""Observations and findings as plain data frames: one row for each thing seen, units in the column names.

The only thing this module knows of pandas is the frame. It judges nothing, displays nothing, and never returns a Styler.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from wsbook.describe import describe, outcome_text
from wsbook.facts import (
    AccessFacts,
    EchoFacts,
    EndpointFacts,
    Facts,
    NameFacts,
    PatternFacts,
    PortFacts,
    RouteFacts,
    Setting,
    SignatureFacts,
    TlsFacts,
    UpgradeFacts,
)
from wsbook.finding import Finding, StepVerdict, Verdict
from wsbook.observation import Observation, Outcome
from wsbook.steps import PHASES
from wsbook.target import Target
from wsbook.words import MARKS, cap, duration_text, instant_text, plain

__all__ = [
    "answered_s",
    "frame",
    "is_attempt",
    "rows_of",
    "table_access",
    "table_attempts",
    "table_checks",
    "table_echo",
    "table_endpoints",
    "table_findings",
    "table_inputs",
    "table_not_looked",
    "table_patterns",
    "table_ports",
    "table_routes",
    "table_signatures",
    "table_stages",
    "table_steps",
    "table_timeline",
    "table_tls",
]

STAGES = ("resolve", "tcp", "proxy", "tls", "upgrade", "first-message")


def frame(rows: Iterable[dict[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """Return the rows as a frame with exactly these columns; texts made printable."""
    cells = [[plain(value) if isinstance(value := row.get(name), str) else value for name in columns] for row in rows]
    return pd.DataFrame(cells, columns=list(columns))


def rows_of(observations: Iterable[Observation], kind: type[Facts]) -> list[tuple[Observation, Any]]:
    """Return (observation, facts) of one type of facts, in order."""
    return [(seen, seen.facts) for seen in observations if isinstance(seen.facts, kind)]


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)


def _label(seen: Observation) -> str:
    return cap(" · ".join(filter(None, (seen.source.hop or seen.source.probe, *seen.source.changed))), 60)


def table_inputs(target: Target, budget: str) -> pd.DataFrame:
    """Return what was given: input, value. Inputs that were not given are one row."""
    given = [("endpoint", target.url or "none: files only")]
    given += [("page", target.page_url), ("origin", target.expected_origin), ("subprotocols", ", ".join(target.subprotocols))]
    given += [("headers", ", ".join(name for name, _ in target.headers))]
    given += [(f"hop {hop.name}", hop.url) for hop in target.hops]
    given += [("forward proxy", target.forward_proxy), ("CA file", target.ca_file), ("frontend", ", ".join(target.frontend))]
    given += [("backend", ", ".join(target.backend)), ("configurations", ", ".join(target.configs)), ("logs", ", ".join(target.logs))]
    given += [("recording (HAR)", target.har), ("console", target.console), ("symptom", target.symptom), ("budget", budget)]
    given += [("trigger", f"{target.trigger.method} {target.trigger.url}" if target.trigger else ""), ("message", target.message)]
    missing = ", ".join(name for name, value in given if not value)
    rows = [{"input": name, "value": cap(value, 160)} for name, value in given if value]
    return frame([*rows, {"input": "not given", "value": missing}] if missing else rows, ["input", "value"])


def table_stages(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return the time of each stage of each attempt in ms; empty cells are stages that did not take place."""
    rows = []
    for seen in observations:
        if seen.stages:
            times = {f"{stage.name} (ms)": _ms(stage.duration_s) for stage in seen.stages}
            bad = next((stage for stage in seen.stages if not stage.ok and stage.name != "first-message"), None)
            failed = f"{bad.name} {bad.detail}".strip() if bad else ""
            rows.append({"attempt": _label(seen), **times, "total (ms)": _ms(answered_s(seen)), "failed": failed})
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
        compared = baseline.get(seen.source.hop) if seen.source.changed else reference
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
                "time (ms)": _ms(answered_s(seen)),
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
            "round trip (ms)": _ms(trial.rtt_s),
            "detail": cap(trial.detail),
        }
        for _, facts in rows_of(observations, EchoFacts)
        for trial in facts.trials
    ]
    return frame(rows, ["kind", "size (B)", "unharmed", "round trip (ms)", "detail"])


def table_endpoints(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return each place in the source that dials or offers a WebSocket."""
    rows = [
        {
            "side": facts.side,
            "library": facts.library,
            "URL": cap(facts.url or ""),
            "path": facts.path or "",
            "port": str(facts.port or ""),
            "source": cap(facts.expression, 80),
            "place": f"{facts.file}:{facts.line}",
            "holds": facts.condition or "always",
        }
        for _, facts in rows_of(observations, EndpointFacts)
    ]
    return frame(rows, ["side", "library", "URL", "path", "port", "source", "place", "holds"])


def _said(setting: Setting | None, unit: str = "") -> str:
    if setting is None or setting.value is None:
        return "?"
    place = "default" if setting.default else f"line {setting.line}" if setting.line else ""
    return f"{cap(setting.value, 40)}{unit}" + (f" ({place})" if place else "")


def table_routes(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return what each proxy does with the endpoint's requests, in the same words for every product."""
    rows = [
        {
            "product": facts.product,
            "route": cap(facts.matcher, 50),
            "serves the endpoint": {None: "?", True: "yes", False: "no"}[facts.serves],
            "upstream": cap(facts.upstream, 50),
            "Upgrade": _said(facts.upgrade),
            "Connection": _said(facts.connection),
            "Host": _said(facts.host),
            "idle limit": _said(facts.idle_s, " s"),
            "balance": facts.balance,
            "place": f"{facts.file}:{facts.line}",
        }
        for _, facts in rows_of(observations, RouteFacts)
    ]
    return frame(
        rows, ["product", "route", "serves the endpoint", "upstream", "Upgrade", "Connection", "Host", "idle limit", "balance", "place"]
    )


def table_ports(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return each name, address and port that was tried, and its state."""
    seen_all = tuple(observations)
    rows: list[dict[str, Any]] = [
        {"host": facts.host, "family": family, "address": address, "state": "resolved", "round trip (ms)": _ms(seen.duration_s)}
        for seen, facts in rows_of(seen_all, NameFacts)
        for family, address in facts.addresses
    ]
    for _, facts in rows_of(seen_all, PortFacts):
        family = "ipv6" if ":" in facts.address else "ipv4"
        rows.append(
            {
                "host": facts.host,
                "family": family,
                "address": facts.address,
                "port": str(facts.port),
                "state": facts.state,
                "round trip (ms)": _ms(facts.rtt_s),
            }
        )
    return frame([{"port": "", **row} for row in rows], ["host", "family", "address", "port", "state", "round trip (ms)"])


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


def table_signatures(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return the known texts that programs printed, the most telling first."""
    rows = [
        {
            "program": facts.program,
            "times": facts.count,
            "text": cap(facts.text, 140),
            "stands for": ", ".join(slug for slug, _ in facts.causes) or "context",
            "place": seen.source.where,
        }
        for seen, facts in sorted(rows_of(observations, SignatureFacts), key=lambda pair: -max((w for _, w in pair[1].causes), default=0.0))
    ]
    return frame(rows, ["program", "times", "text", "stands for", "place"])


def table_access(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return alike access-log lines: how many, what was asked and answered, the longest duration."""
    rows = [
        {
            "program": facts.program,
            "lines": facts.count,
            "request": f"{facts.method} {cap(facts.path, 60)}",
            "status": facts.status,
            "upgrade asked": {None: "?", True: "yes", False: "no"}[facts.upgrade],
            "longest": duration_text(max(facts.durations_s, default=None)),
            "ours": "yes" if facts.marked else "",
            "place": seen.source.where,
        }
        for seen, facts in rows_of(observations, AccessFacts)
    ]
    return frame(rows, ["program", "lines", "request", "status", "upgrade asked", "longest", "ours", "place"])


def table_patterns(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return source patterns: defects found and guards found."""
    rows = [
        {
            "pattern": facts.pattern,
            "is": "guarded" if facts.ok else "defect",
            "stands for": facts.cause,
            "source": cap(facts.excerpt, 100),
            "place": f"{facts.file}:{facts.line}",
        }
        for _, facts in sorted(rows_of(observations, PatternFacts), key=lambda pair: pair[1].ok)
    ]
    return frame(rows, ["pattern", "is", "stands for", "source", "place"])


def table_findings(findings: Iterable[Finding]) -> pd.DataFrame:
    """Return findings in the order given: root causes first when they are ranked."""
    rows = [
        {
            "cause": finding.cause,
            "": f"{MARKS[finding.verdict]} {finding.verdict.value}" + (", root" if finding.root else ""),
            "sure": f"{finding.confidence:.0%}" if finding.verdict is Verdict.FAULT else "",
            "summary": cap(finding.summary, 200),
            "explained by": ", ".join(finding.explained_by),
        }
        for finding in findings
    ]
    return frame(rows, ["cause", "", "sure", "summary", "explained by"])


def table_steps(steps: Iterable[StepVerdict]) -> pd.DataFrame:
    """Return the verdict of each step in one sentence."""
    rows = [
        {
            "phase": PHASES.get(step.step[0], "Triage"),
            "step": f"{step.step} {step.title}",
            "verdict": f"{MARKS[step.verdict]} {step.verdict.value}",
            "summary": cap(step.summary, 200),
        }
        for step in steps
    ]
    return frame(rows, ["phase", "step", "verdict", "summary"])


def table_timeline(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return everything that was looked at, in order of time (UTC)."""
    rows = [
        {
            "time (UTC)": instant_text(seen.observed_at),
            "step": seen.source.step,
            "where": cap(seen.source.where, 60),
            "took": duration_text(seen.duration_s),
            "seen": describe(seen, 160),
        }
        for seen in sorted(observations, key=lambda seen: seen.observed_at)
    ]
    return frame(rows, ["time (UTC)", "step", "where", "took", "seen"])


def table_not_looked(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return what was not looked at, why, and what to provide."""
    rows = [
        {
            "step": seen.source.step,
            "what": cap(seen.source.where, 60),
            "why": seen.failure.reason.value if seen.failure else "",
            "detail": cap(seen.failure.message if seen.failure else "", 200),
        }
        for seen in observations
        if seen.outcome is Outcome.NOT_RUN
    ]
    return frame(rows, ["step", "what", "why", "detail"])
