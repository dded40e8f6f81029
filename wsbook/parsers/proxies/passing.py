"""Routes of products that pass an upgrade on by themselves: what holds unless it is said otherwise. Limits: limits.toml."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from msgspec import Struct, convert

from wsbook.datafile import read_table
from wsbook.facts import Facts, Fix, PatternFacts, RouteFacts, Setting
from wsbook.parsers.proxies.artifact import Artifact, defect
from wsbook.parsers.proxies.trees.yaml import Node

__all__ = ["FORWARDED", "Limit", "default_limit", "limit_of", "limited", "mended", "passing_route", "set_at", "with_long_limits"]

FORWARDED = Setting(value="forwarded", default=True)
_HTTP_1_1 = Setting(value="1.1", default=True)


class Limit(Struct, frozen=True, kw_only=True):
    """What a product does where nothing is set; None: not known, 0: no such limit.

    family: whose long idle limits are worth a hint, "" none.
    """

    family: str = ""
    idle_s: float | None = None
    lifetime_s: float | None = None
    source: str = ""


_MAX_DEFECTS = 100
_MAX_FIXED = 20
_LONG_S = (75.0, 900.0)
"""Idle limits between these are long enough for most heartbeats and short enough to be met without one."""


def limited(facts: Iterable[Facts]) -> Iterator[Facts]:
    """Yield facts until so many defects were among them that nobody reads on."""
    defects = 0
    for one in facts:
        yield one
        defects += isinstance(one, PatternFacts)
        if defects == _MAX_DEFECTS:
            return


def mended(judged: Sequence[bool | None]) -> list[bool]:
    """Return for each route whether it is worth a fix: the first few that serve the WebSocket, or may."""
    left = _MAX_FIXED
    result = []
    for serves in judged:
        result.append(serves is not False and left > 0)
        left -= result[-1]
    return result


def with_long_limits(facts: list[Facts], artifact: Artifact) -> list[Facts]:
    """Return the facts, and a hint for the shortest idle limit of a route that may serve the endpoint when it is a long one."""
    limits = [
        (float(one.idle_s.value), one)
        for one in facts
        if isinstance(one, RouteFacts)
        and one.serves is not False
        and one.upgrade is not None
        and one.idle_s is not None
        and one.idle_s.value
    ]
    if not limits:
        return facts
    shortest, route = min(limits, key=lambda pair: pair[0] or 1e9)
    if not _LONG_S[0] < shortest <= _LONG_S[1] or limit_of(route.product).family == "":
        return facts
    idle = route.idle_s or FORWARDED
    words = f"{route.product} {route.matcher}: {shortest:g} s of silence{' by default' if idle.default else ''}"
    return [*facts, defect(f"limit.long-{limit_of(route.product).family}", artifact.name, idle.line or route.line, words[:300])]


@cache
def _limits() -> dict[str, Limit]:
    return convert(read_table("parsers/proxies/limits.toml"), dict[str, Limit])


def limit_of(product: str) -> Limit:
    """Return the limits of a product, all unknown for one that is not in the table."""
    return _limits().get(product, Limit())


def default_limit(product: str) -> Setting | None:
    """Return the idle limit that holds by default; None: not known or none."""
    idle = limit_of(product).idle_s
    return Setting(value=f"{idle:g}", default=True) if idle else None


def set_at(artifact: Artifact, node: Node, value: str | None = None) -> Setting:
    """Return the setting that a place of the file makes; value: None takes the text there."""
    return Setting(value=node.text if value is None else value, file=artifact.name, line=node.line)


def passing_route(
    artifact: Artifact,
    *,
    product: str,
    line: int,
    matcher: str,
    serves: bool | None = True,
    upstream: str = "",
    upstream_path: str | None = None,
    upgrade: Setting | None = FORWARDED,
    connection: Setting | None = FORWARDED,
    host: Setting | None = FORWARDED,
    http_version: Setting | None = _HTTP_1_1,
    idle: Setting | None = None,
    lifetime: Setting | None = None,
    balance: str = "",
    servers: int | None = None,
    fixes: tuple[Fix | None, ...] = (),
) -> RouteFacts:
    """Return a route.

    idle, lifetime: None takes what the product does by default. connection None: it tunnels nothing and has no limits.
    """
    limits = limit_of(product) if connection is not None else Limit()
    if lifetime is None and limits.lifetime_s:
        lifetime = Setting(value=f"{limits.lifetime_s:g}", default=True)
    return RouteFacts(
        product=product,
        file=artifact.name,
        line=line,
        matcher=matcher,
        serves=serves,
        upstream=upstream,
        upstream_path=upstream_path,
        upgrade=upgrade,
        connection=connection,
        host=host,
        http_version=http_version,
        idle_s=idle or (default_limit(product) if connection is not None else None),
        lifetime_s=lifetime,
        balance=balance,
        servers=servers,
        fixes=tuple(fix for fix in fixes if fix is not None),
    )
