"""Prove what is to be changed in a configuration: the file as given and the changed one are tried on loopback (step 2.2, read --prove)."""

import asyncio
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from wsbook.errors import UnreadableInputError
from wsbook.facts import Change, Facts, Fix, PatternFacts, RehearsalFacts, RouteFacts, TextFacts, Trial
from wsbook.observation import Observation, Reason, Source, not_run, observed
from wsbook.steps.looking import Looking
from wsbook.target import Endpoint

if TYPE_CHECKING:
    from wsbook.parsers.proxies.artifact import Artifact
    from wsbook.parsers.proxies.rehearsing import Adapted, Stage

__all__ = ["PROGRAMS", "rehearse"]

PROGRAMS = {"nginx_conf": "nginx", "haproxy_cfg": "haproxy", "caddyfile": "caddy"}
"""Kind of configuration → the program that is started on it."""

_ADAPTERS = {
    "nginx_conf": ("rehearsing_nginx", "adapt_nginx"),
    "haproxy_cfg": ("rehearsing_haproxy", "adapt_haproxy"),
    "caddyfile": ("rehearsing_caddy", "adapt_caddyfile"),
}
_LISTENERS, _STUBS = 12, 4
_ONLY_CHECKED = ("proxy.idle-timeout", "proxy.max-lifetime")
_SEVERAL = ("cluster.no-sticky-session",)
_FIXES = {"quick": 4, "standard": 8, "thorough": 16}
_AT_ONCE = 4
_TOTAL_S = {"quick": 4.0, "standard": 12.0, "thorough": 30.0}
_MAX_BYTES = 1_000_000
_WORTH_TRYING = 0.25
"""Confidence below which a finding's change is not tried."""


class _Config(Struct, kw_only=True):
    """One configuration that was read: its main file and what was found in it."""

    kind: str
    path: str
    found: list[RouteFacts | PatternFacts]

    @property
    def program(self) -> str:
        return PROGRAMS[self.kind]


class _Idea(Struct, frozen=True, kw_only=True):
    """One thing to try: a route, and changes of the texts that are made together, none to try the file as it is."""

    config: _Config
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
    def only_checked(self) -> bool:
        """Whether no attempt shows what the changes are for."""
        return bool(self.fixes) and all(slug.startswith(_ONLY_CHECKED) for slug in self.causes)


def _configs(observations: Iterable[Observation]) -> list[_Config]:
    """Return the configurations that were read, each with its facts: they follow the text's own."""
    found: list[_Config] = []
    for seen in observations:
        facts: Facts | None = seen.facts
        if isinstance(facts, TextFacts):
            kind = facts.kind if facts.kind in PROGRAMS else ""
            found.append(_Config(kind=kind, path=seen.source.artifact, found=[]))
        elif found and isinstance(facts, RouteFacts | PatternFacts):
            found[-1].found.append(facts)
    return [config for config in found if config.kind and config.found]


def _ideas(config: _Config, accused: Mapping[str, float], limit: int) -> list[_Idea]:
    """Return the file as it is, then the changes that some finding asks for, the surest finding's first, and at last all together."""
    routes = [facts for facts in config.found if isinstance(facts, RouteFacts) and facts.serves]
    if not routes:
        return []
    ideas = [_Idea(config=config, route=routes[0])]
    wanted = [idea for idea in _changes(config) if any(slug in accused for slug in idea.causes)]
    wanted.sort(key=lambda idea: -max(accused.get(slug, 0.0) for slug in idea.causes))
    whole = _together(idea for idea in wanted if not idea.only_checked)
    return [*ideas, *wanted[:limit], *whole]


def _changes(config: _Config) -> list[_Idea]:
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
    ideas = [_Idea(config=config, route=first[key], fixes=tuple(fixes)) for key, fixes in groups.items()]
    return list({idea.changes: idea for idea in reversed(ideas)}.values())[::-1]


def _fits(fix: Fix, others: Iterable[Fix]) -> bool:
    """Whether a change touches no line that another one does."""
    taken = {(change.file, line) for other in others for change in other.changes for line in _lines(change)}
    return not any((change.file, line) in taken for change in fix.changes for line in _lines(change))


def _lines(change: Change) -> Iterable[int]:
    return range(change.line, change.line + max(change.removed, 1))


def _together(ideas: Iterable[_Idea]) -> list[_Idea]:
    """Return the idea of all changes at once, as far as they do not touch the same lines; none when there is one idea only."""
    kept: list[_Idea] = []
    fixes: list[Fix] = []
    for idea in ideas:
        if all(_fits(fix, fixes) for fix in idea.fixes):
            kept.append(idea)
            fixes += idea.fixes
    return [replace(kept[0], fixes=tuple(fixes))] if len(kept) > 1 else []


def _accused(look: Looking) -> dict[str, float]:
    """Return the causes that what was seen so far speaks for, with how sure."""
    from wsbook.finding import Verdict
    from wsbook.rules import judge

    findings, _ = judge(look.evidence)
    likely = [found for found in findings if found.verdict in (Verdict.FAULT, Verdict.UNKNOWN) and found.confidence >= _WORTH_TRYING]
    return {found.cause: found.confidence for found in likely}


async def rehearse(look: Looking, observations: Iterable[Observation]) -> None:
    """Try configurations whose program is installed; what is started is only nginx, haproxy and caddy, confined, on adapted copies."""
    from wsbook.validators import validating

    budget, configs = look.budget.name, _configs(observations)
    accused = _accused(look) if configs else {}
    for config in configs:
        ideas = _ideas(config, accused, _FIXES.get(budget, 4))
        if not ideas:
            continue
        if not validating(config.program):
            source = Source(step="2.2", probe="rehearsal", artifact=config.path)
            look.add(not_run(source, Reason.TOOL_MISSING, f"{config.program} is not installed, so no change of {config.path} was tried"))
            continue
        look.progress(f"trying {config.path} on loopback", 0.4)
        try:
            async with asyncio.timeout(_TOTAL_S.get(budget, 4.0)):
                look.add(*_once(await _all(config, ideas, look.target.endpoint)))
        except TimeoutError:
            source = Source(step="2.2", probe="rehearsal", artifact=config.path)
            look.add(not_run(source, Reason.TIMEOUT, f"{config.path} was not tried to the end within the time that this budget leaves"))


def _once(seen: list[Observation]) -> list[Observation]:
    """Return the observations, of those that say why nothing was tried each reason once."""
    reasons: set[str] = set()
    kept = []
    for one in seen:
        reason = one.failure.message if one.failure else ""
        if not reason or reason not in reasons:
            kept.append(one)
        reasons.add(reason)
    return kept


async def _all(config: _Config, ideas: list[_Idea], endpoint: Endpoint | None) -> list[Observation]:
    gate = asyncio.Semaphore(_AT_ONCE)
    runs: dict[object, asyncio.Task[Trial]] = {}
    artifact = await asyncio.to_thread(_artifact, config, endpoint)
    if artifact is None:
        return []
    try:
        return list(await asyncio.gather(*(_one(idea, artifact, endpoint, gate, runs) for idea in ideas)))
    finally:
        for run in runs.values():
            run.cancel()
        await asyncio.gather(*runs.values(), return_exceptions=True)


def _artifact(config: _Config, endpoint: Endpoint | None) -> "Artifact | None":
    """Return the configuration as its parser takes it; None when the file is not there any more."""
    from wsbook.parsers.lines import decode, read_data
    from wsbook.parsers.proxies.artifact import Artifact

    path = Path(config.path)
    try:
        text = decode(read_data(path, limit_bytes=_MAX_BYTES), config.path)
    except (OSError, UnreadableInputError):
        return None
    artifact = Artifact(text=text, name=config.path, folder=str(path.resolve().parent))
    if endpoint is None:
        return artifact
    return replace(artifact, endpoint_path=endpoint.path, endpoint_host=endpoint.host, endpoint_port=endpoint.port)


async def _one(
    idea: _Idea, artifact: "Artifact", endpoint: Endpoint | None, gate: asyncio.Semaphore, runs: "dict[object, asyncio.Task[Trial]]"
) -> Observation:
    from wsbook.parsers.proxies.rehearsing import Refusal
    from wsbook.validators import program_version

    config = idea.config
    source = Source(step="2.2", probe="rehearsal", artifact=config.path, line=idea.route.line if idea.route.file == config.path else 0)
    try:
        before, after, fix = await asyncio.to_thread(_adapted, idea, artifact, endpoint)
    except Refusal as reason:
        return not_run(source, Reason.NOT_PERMITTED, f"{config.path} was not tried on loopback: {reason}")
    except UnreadableInputError as error:
        return not_run(source, Reason.UNREADABLE, f"{config.path} was not tried on loopback: {error}")
    version = await asyncio.to_thread(program_version, config.program)
    several = bool(set(idea.causes) & set(_SEVERAL))
    first = _run(before, config.program, endpoint, gate, runs, several=several)
    if after is None:
        tried = [await first]
    else:
        second = (
            _checked(after, config.program, gate)
            if idea.only_checked
            else _run(after, config.program, endpoint, gate, runs, several=several)
        )
        tried = list(await asyncio.gather(first, second))
    facts = RehearsalFacts(
        product=config.program,
        version=version,
        file=config.path,
        url=f"{'wss' if before.tls else 'ws'}://{before.host}{before.resource}",
        before=tried[0],
        causes=idea.causes,
        diff=fix.diff if fix else "",
        parts=tuple(one.diff for one in idea.fixes),
        after=tried[1] if len(tried) > 1 else None,
        left_out=before.left_out[:10],
    )
    return observed(source, facts)


def _stage() -> "Stage":
    from wsbook.parsers.proxies.rehearsing import Stage
    from wsbook.programs import free_ports

    ports = list(free_ports(str(number) for number in range(_LISTENERS + 2 * _STUBS)).values())
    return Stage(listen=tuple(ports[:_LISTENERS]), plain=tuple(ports[_LISTENERS:][:_STUBS]), secure=tuple(ports[_LISTENERS + _STUBS :]))


def _adapted(idea: _Idea, artifact: "Artifact", endpoint: Endpoint | None) -> "tuple[Adapted, Adapted | None, Fix | None]":
    """Return both texts for loopback and the change between them; what the changed one speaks TLS to speaks it in both."""
    from wsbook.parsers.proxies.fixing import apply_changes, make_fix
    from wsbook.parsers.proxies.rehearsing import Ask

    module, name = _ADAPTERS[idea.config.kind]
    adapt = getattr(import_module(f"wsbook.parsers.proxies.{module}"), name)
    route = idea.route
    ask = Ask(
        file=route.file,
        line=route.line,
        matcher=route.matcher,
        host=endpoint.authority if endpoint else "",
        port=endpoint.port if endpoint else 0,
        resource=endpoint.resource if endpoint else "",
    )
    before: Adapted = adapt(artifact, _stage(), ask)
    if not idea.fixes:
        return before, None, None
    files = {change.file for change in idea.changes}
    old = {file: artifact.text if file == artifact.name else before.texts[file] for file in files}
    texts = {file: apply_changes(old[file], [change for change in idea.changes if change.file == file]) for file in files}
    fix = make_fix(idea.causes, idea.changes, old)
    again = replace(ask, door=before.door, resource=before.resource)
    after: Adapted = adapt(artifact, _stage(), again, texts)
    if after.secure != before.secure:
        before = adapt(artifact, before.stage, replace(again, secure=after.secure))
        after = adapt(artifact, after.stage, replace(again, secure=after.secure), texts)
    return before, after, fix


def _key(adapted: "Adapted", several: bool) -> object:
    """What makes two runs the same: the text but for its ports."""
    text = str(adapted.files)
    for number, port in enumerate((*adapted.stage.listen, *adapted.stage.plain, *adapted.stage.secure)):
        text = text.replace(str(port), f"port {number}")
    return text, adapted.resource, several


async def _run(
    adapted: "Adapted",
    program: str,
    endpoint: Endpoint | None,
    gate: asyncio.Semaphore,
    runs: "dict[object, asyncio.Task[Trial]]",
    *,
    several: bool,
) -> Trial:
    """Start a text once, however many ideas ask for it."""
    from wsbook.probes.rehearsal import Play, probe_rehearsal

    play = Play(
        program=program,
        files=adapted.files,
        door=adapted.port,
        tls=adapted.tls,
        ports=(*adapted.stage.listen, *adapted.stage.plain, *adapted.stage.secure),
        plain=adapted.stage.plain,
        secure=adapted.stage.secure,
        host=adapted.host,
        resource=adapted.resource,
        origin=endpoint.origin if endpoint else None,
        several=several,
    )

    async def guarded() -> Trial:
        async with gate:
            return await probe_rehearsal(play)

    key = _key(adapted, several)
    if key not in runs:
        runs[key] = asyncio.create_task(guarded())
    return await asyncio.shield(runs[key])


async def _checked(adapted: "Adapted", program: str, gate: asyncio.Semaphore) -> Trial:
    """Ask the program alone: what a limit does takes longer than anybody waits."""
    from wsbook.probes.rehearsal import CERTIFICATE
    from wsbook.probes.rehearsal_stub import stand_in_certificate
    from wsbook.validators import validate

    async with gate:
        files: Mapping[str, str] = {**adapted.files, CERTIFICATE: stand_in_certificate()}
        said = await asyncio.to_thread(validate, program, files, (*adapted.stage.listen, *adapted.stage.plain, *adapted.stage.secure))
    return Trial(valid=said.accepted, complaint=said.complaint)
