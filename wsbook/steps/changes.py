"""Which configurations were read, and which changes of them are worth trying. Starts nothing."""

from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from wsbook.facts import Change, Facts, Fix, PatternFacts, RouteFacts, TextFacts
from wsbook.observation import Observation
from wsbook.steps.looking import Looking

__all__ = ["PROGRAMS", "Config", "Idea", "accused_causes", "find_configs", "find_ideas"]

PROGRAMS = {"nginx_conf": "nginx", "haproxy_cfg": "haproxy", "caddyfile": "caddy"}
"""Kind of configuration → the program that is started on it."""

_LIMITS = ("proxy.idle-timeout", "proxy.max-lifetime")
_WORTH_TRYING = 0.25
"""Confidence below which a finding's change is not tried."""


class Config(Struct, kw_only=True):
    """One configuration that was read: its main file and what was found in it."""

    kind: str
    path: str
    found: list[RouteFacts | PatternFacts]

    @property
    def program(self) -> str:
        return PROGRAMS[self.kind]


class Idea(Struct, frozen=True, kw_only=True):
    """One thing to try: a route, and changes of the texts that are made together, none to try the file as it is."""

    config: Config
    route: RouteFacts
    fixes: tuple[Fix, ...] = ()

    @property
    def causes(self) -> tuple[str, ...]:
        """What the changes are for."""
        return tuple(dict.fromkeys(slug for fix in self.fixes for slug in fix.causes))

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changes, each once."""
        return tuple(dict.fromkeys(change for fix in self.fixes for change in fix.changes))

    @property
    def only_limits(self) -> bool:
        """Whether it takes a while of silence to show what the changes are for."""
        return bool(self.fixes) and all(slug.startswith(_LIMITS) for slug in self.causes)


def find_configs(observations: Iterable[Observation]) -> list[Config]:
    """Return the configurations that were read, each with its facts: they follow the text's own."""
    found: list[Config] = []
    for seen in observations:
        facts: Facts | None = seen.facts
        if isinstance(facts, TextFacts):
            kind = facts.kind if facts.kind in PROGRAMS else ""
            found.append(Config(kind=kind, path=seen.source.artifact, found=[]))
        elif found and isinstance(facts, RouteFacts | PatternFacts):
            found[-1].found.append(facts)
    return [config for config in found if config.kind and config.found]


def find_ideas(config: Config, accused: Mapping[str, float], limit: int) -> list[Idea]:
    """Return the file as it is, then the changes that some finding asks for, the surest finding's first, and at last all together."""
    routes = [facts for facts in config.found if isinstance(facts, RouteFacts) and facts.serves]
    if not routes:
        return []
    ideas = [Idea(config=config, route=routes[0])]
    wanted = [idea for idea in _changes(config) if any(slug in accused for slug in idea.causes)]
    wanted.sort(key=lambda idea: -max(accused.get(slug, 0.0) for slug in idea.causes))
    whole = _together(idea for idea in wanted if not idea.only_limits)
    return [*ideas, *wanted[:limit], *whole]


def _changes(config: Config) -> list[Idea]:
    """Return the changes of a configuration; those of one route for the same causes belong together, as those of several servers do."""
    groups: dict[tuple[str, ...], list[Fix]] = {}
    first: dict[tuple[str, ...], RouteFacts] = {}
    route: RouteFacts | None = None
    for facts in config.found:
        route = facts if isinstance(facts, RouteFacts) else route
        fixes = facts.fixes if isinstance(facts, RouteFacts) else tuple(filter(None, (facts.fix,)))
        for fix in fixes if route is not None and route.serves else ():
            key = (f"{route.file}:{route.line}" if route else "", *fix.causes)
            known = groups.setdefault(key, [])
            first.setdefault(key, route) if route else None
            known += [fix] if _fits(fix, known) else []
    ideas = [Idea(config=config, route=first[key], fixes=tuple(fixes)) for key, fixes in groups.items()]
    return list({idea.changes: idea for idea in reversed(ideas)}.values())[::-1]


def _fits(fix: Fix, others: Iterable[Fix]) -> bool:
    """Whether a change touches no line that another one does."""
    taken = {(change.file, line) for other in others for change in other.changes for line in _lines(change)}
    return not any((change.file, line) in taken for change in fix.changes for line in _lines(change))


def _lines(change: Change) -> Iterable[int]:
    return range(change.line, change.line + max(change.removed, 1))


def _together(ideas: Iterable[Idea]) -> list[Idea]:
    """Return the idea of all changes at once, as far as they do not touch the same lines; none when there is one idea only."""
    kept: list[Idea] = []
    fixes: list[Fix] = []
    for idea in ideas:
        if all(_fits(fix, fixes) for fix in idea.fixes):
            kept.append(idea)
            fixes += idea.fixes
    return [replace(kept[0], fixes=tuple(fixes))] if len(kept) > 1 else []


def accused_causes(look: Looking) -> dict[str, float]:
    """Return the causes that what was seen so far speaks for, with how sure."""
    from wsbook.finding import Verdict
    from wsbook.rules import judge

    findings, _ = judge(look.evidence)
    likely = [found for found in findings if found.verdict in (Verdict.FAULT, Verdict.UNKNOWN) and found.confidence >= _WORTH_TRYING]
    return {found.cause: found.confidence for found in likely}
