"""The idle limits of a chain of proxies, as their configurations set them. Pure; the shortest is what a heartbeat has to undercut."""

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from wsbook.facts import RouteFacts, Setting
from wsbook.observation import Observation

__all__ = ["Limit", "idle_limits"]


class Limit(Struct, frozen=True, kw_only=True):
    """One limit of one route.

    of: "silence" or "life". seconds: 0 no limit. shortest: the least silence of all.
    """

    product: str
    matcher: str
    serves: bool | None
    of: str
    seconds: float
    default: bool
    place: str
    observation: str = ""
    shortest: bool = False


def idle_limits(observations: Iterable[Observation]) -> list[Limit]:
    """Return every known limit of the routes that serve the endpoint, or may; of all routes of a configuration that names none."""
    routes = [(seen, seen.facts) for seen in observations if isinstance(seen.facts, RouteFacts)]
    served = {_config(facts) for _, facts in routes if facts.serves}
    kept = [(seen, facts) for seen, facts in routes if facts.serves or (facts.serves is None and _config(facts) not in served)]
    found = [limit for seen, facts in kept for limit in _of_route(seen, facts)]
    silences = [limit.seconds for limit in found if limit.of == "silence" and limit.seconds > 0]
    least = min(silences, default=0.0)
    return [_marked(limit, least) for limit in dict.fromkeys(found)]


def _config(facts: RouteFacts) -> tuple[str, str]:
    return facts.product, facts.file


def _of_route(seen: Observation, facts: RouteFacts) -> list[Limit]:
    return [
        _limit(seen, facts, of, setting)
        for of, setting in (("silence", facts.idle_s), ("life", facts.lifetime_s))
        if setting is not None and setting.value is not None
    ]


def _limit(seen: Observation, facts: RouteFacts, of: str, setting: Setting) -> Limit:
    file, line = (setting.file, setting.line) if setting.line else (facts.file, facts.line)
    return Limit(
        product=facts.product,
        matcher=facts.matcher,
        serves=facts.serves,
        of=of,
        seconds=_seconds(setting.value or ""),
        default=setting.default,
        place=f"{file}:{line}" if line else file,
        observation=seen.id,
    )


def _seconds(text: str) -> float:
    try:
        return max(0.0, float(text))
    except ValueError:
        return 0.0


def _marked(limit: Limit, least: float) -> Limit:
    return replace(limit, shortest=True) if limit.of == "silence" and limit.seconds == least > 0 else limit
