"""What tests of fixes share: every fix of a configuration, and whether a defect is still there after it."""

from collections.abc import Iterator
from typing import Any

from wsbook.facts import Fix, PatternFacts, RouteFacts
from wsbook.parsers.proxies import parse_config
from wsbook.parsers.proxies.fixing import apply_changes

SHORT_S = 75.0
HINT = 0.4
"""Defects below this weight are hints."""


def read(text: str, kind: str, **given: Any) -> tuple[list[RouteFacts], list[PatternFacts]]:
    """Return routes of a configuration, and its defects without mere hints."""
    facts = [seen.facts for seen in parse_config(text, kind=kind, artifact="file", **given)]
    return [f for f in facts if isinstance(f, RouteFacts)], [f for f in facts if isinstance(f, PatternFacts) and f.weight >= HINT]


def troubles(text: str, kind: str, **given: Any) -> set[str]:
    """Return what is wrong: ids of patterns, and causes that routes stand for."""
    routes, patterns = read(text, kind, **given)
    found = {p.pattern for p in patterns}
    for route in [r for r in routes if r.serves is not False and r.upgrade]:
        spoilt = [s for s in (route.upgrade, route.connection) if s and s.value != "forwarded"]
        found |= {"proxy.upgrade-header-missing"} if spoilt else set()
        found |= {"idle"} if route.idle_s and route.idle_s.value and float(route.idle_s.value) <= SHORT_S else set()
        found |= {"proxy.max-lifetime"} if route.lifetime_s and route.lifetime_s.value else set()
    return found


def fixes(text: str, kind: str, **given: Any) -> Iterator[tuple[str, Fix]]:
    """Yield every fix with the trouble that it is for."""
    routes, patterns = read(text, kind, **given)
    for route in routes:
        for fix in route.fixes if route.serves is not False else ():
            yield "idle" if "idle" in fix.causes[0] else fix.causes[0], fix
    yield from ((p.pattern, p.fix) for p in patterns if p.fix)


def applied(text: str, fix: Fix) -> str:
    """Return the text with the fix."""
    return apply_changes(text, fix.changes)
