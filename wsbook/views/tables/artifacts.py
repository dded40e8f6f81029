"""What files say: source and configurations."""

from collections.abc import Iterable

import pandas as pd

from wsbook.facts import (
    EndpointFacts,
    PatternFacts,
    RouteFacts,
    Setting,
)
from wsbook.observation import Observation
from wsbook.views.tables.frames import frame, rows_of
from wsbook.words import cap

__all__ = ["table_endpoints", "table_patterns", "table_routes"]


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
