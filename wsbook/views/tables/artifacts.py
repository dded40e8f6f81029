"""What files say: source and configurations."""

from collections.abc import Iterable

import pandas as pd

from wsbook.facts import (
    EndpointFacts,
    PatternFacts,
    RehearsalFacts,
    RouteFacts,
    Setting,
    Trial,
)
from wsbook.limits import idle_limits
from wsbook.observation import Observation
from wsbook.views.tables.frames import frame, rows_of
from wsbook.words import cap

__all__ = ["table_endpoints", "table_idle_limits", "table_patterns", "table_rehearsals", "table_routes"]


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
    inherited = f"{setting.level}, " if setting.level else ""
    place = "default" if setting.default else f"{inherited}line {setting.line}" if setting.line else ""
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


def table_idle_limits(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return the limits of silence and of life of every proxy whose configuration was read, the shortest silence marked."""
    limits = idle_limits(observations)
    rows = [
        {
            "product": limit.product,
            "route": cap(limit.matcher, 50),
            "serves the endpoint": {None: "?", True: "yes", False: "no"}[limit.serves],
            "limit of": limit.of,
            "seconds": f"{limit.seconds:g}" if limit.seconds else "none",
            "from": "default" if limit.default else "set",
            "place": limit.place,
            "shortest": "← shortest" if limit.shortest else "",
        }
        for limit in limits
    ]
    return frame(rows, ["product", "route", "serves the endpoint", "limit of", "seconds", "from", "place", "shortest"])


def table_rehearsals(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return what became of configurations and their changes that were tried on loopback."""
    rows = [
        {
            "program": f"{facts.product} {facts.version}",
            "tried": cap(facts.url, 60),
            "change for": ", ".join(facts.causes) or "none",
            "as it is": _tried(facts.before),
            "changed": _tried(facts.after),
            "left out": cap(", ".join(facts.left_out), 60),
            "place": facts.file,
        }
        for _, facts in rows_of(observations, RehearsalFacts)
    ]
    return frame(rows, ["program", "tried", "change for", "as it is", "changed", "left out", "place"])


def _tried(trial: Trial | None) -> str:
    if trial is None:
        return ""
    if trial.accepted is None:
        return {None: "not tried", True: "valid", False: "invalid"}[trial.valid]
    return "upgraded" if trial.accepted else str(trial.status or "no answer")


_DEFECT = 0.5
"""Weight below which a pattern is only a possibility."""


def table_patterns(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return source patterns: defects, possibilities and guards that were found."""
    rows = [
        {
            "pattern": facts.pattern,
            "is": "guarded" if facts.ok else "defect" if facts.weight >= _DEFECT else "possible",
            "stands for": facts.cause,
            "source": cap(facts.excerpt, 100),
            "place": f"{facts.file}:{facts.line}",
        }
        for _, facts in sorted(rows_of(observations, PatternFacts), key=lambda pair: pair[1].ok)
    ]
    return frame(rows, ["pattern", "is", "stands for", "source", "place"])
