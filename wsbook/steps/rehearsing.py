"""Prove what is to be changed in a configuration: the file as given and the changed one are tried on loopback (step 2.2, read --prove)."""

import asyncio
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from wsbook.errors import UnreadableInputError
from wsbook.facts import Change, Fix, RehearsalFacts, RouteFacts, Trial
from wsbook.observation import Observation, Reason, Source, not_run, observed
from wsbook.steps.changes import Config, Idea, accused_causes, find_configs, find_ideas
from wsbook.steps.looking import Looking
from wsbook.target import Endpoint

if TYPE_CHECKING:
    from wsbook.parsers.proxies.artifact import Artifact
    from wsbook.parsers.proxies.rehearsing.stage import Adapted, Stage

__all__ = ["rehearse"]

_ADAPTERS = {
    "nginx_conf": ("nginx", "adapt_nginx"),
    "haproxy_cfg": ("haproxy", "adapt_haproxy"),
    "caddyfile": ("caddy", "adapt_caddyfile"),
}
_LISTENERS, _STUBS, _TRIES = 6, 4, 4
_SEVERAL = ("cluster.no-sticky-session",)
_FIXES = {"quick": 4, "standard": 8, "thorough": 16}
_AT_ONCE = 4
_TOTAL_S = {"quick": 4.5, "standard": 12.0, "thorough": 30.0}
_MAX_BYTES = 1_000_000
_SHORT_S = 1.0
"""What a limit is shortened to, and all others of the file with it, so that somebody can wait for it."""
_LONGEST_S = 3600.0


async def rehearse(look: Looking, observations: Iterable[Observation]) -> None:
    """Try configurations whose program is installed; what is started is only nginx, haproxy and caddy, confined, on adapted copies."""
    from wsbook.validators import validating

    budget, configs = look.budget.name, find_configs(observations)
    accused = accused_causes(look) if configs else {}
    tries: list[asyncio.Task[None]] = []
    bench = _Bench(look.target.endpoint)
    for config in configs:
        ideas = find_ideas(config, accused, _FIXES.get(budget, 4))
        if ideas and validating(config.program):
            tries.append(asyncio.create_task(bench.try_all(config, ideas), name=config.path))
        elif ideas:
            message = f"{config.program} is not installed, so no change of {config.path} was tried"
            look.add(not_run(_source(config), Reason.TOOL_MISSING, message))
    if not tries:
        return
    look.progress("trying configurations on loopback", 0.4)
    try:
        await asyncio.wait(tries, timeout=_TOTAL_S.get(budget, 4.5))
    finally:
        await bench.stop(tries)
    for task in tries:
        look.add(*_once(one for _, one in sorted(bench.seen.pop(task.get_name(), {}).items())))
        if task.cancelled():
            message = f"{task.get_name()} was not tried to the end in the time that this budget leaves"
            look.add(not_run(Source(step="2.2", probe="rehearsal", artifact=task.get_name()), Reason.TIMEOUT, message))
        elif task.exception():
            raise task.exception() or RuntimeError


def _source(config: Config, line: int = 0) -> Source:
    return Source(step="2.2", probe="rehearsal", artifact=config.path, line=line)


def _once(seen: Iterable[Observation]) -> list[Observation]:
    """Return the observations, of those that say why nothing was tried each reason once."""
    reasons: set[str] = set()
    kept = []
    for one in seen:
        reason = one.failure.message if one.failure else ""
        if not reason or reason not in reasons:
            kept.append(one)
        reasons.add(reason)
    return kept


class _Bench:
    """Runs trials: a few at once, each text once however many ideas ask for it.

    seen: what came of them, by the main file and the number of the idea.
    """

    def __init__(self, endpoint: Endpoint | None) -> None:
        self.endpoint = endpoint
        self.seen: dict[str, dict[int, Observation]] = {}
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._runs: dict[object, asyncio.Task[Trial]] = {}

    async def stop(self, tries: list[asyncio.Task[None]]) -> None:
        """End everything that still runs."""
        unfinished = [*tries, *self._runs.values()]
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)

    async def try_all(self, config: Config, ideas: list[Idea]) -> None:
        """Try all ideas of one configuration."""
        seen = self.seen.setdefault(config.path, {})
        artifact = await asyncio.to_thread(_artifact, config, self.endpoint)
        if artifact is None:
            return

        async def keep(number: int, idea: Idea) -> None:
            seen[number] = await self._try(idea, artifact)

        await asyncio.gather(*(keep(number, idea) for number, idea in enumerate(ideas)))

    async def _try(self, idea: Idea, artifact: "Artifact") -> Observation:
        from wsbook.parsers.proxies.rehearsing.stage import Refusal
        from wsbook.validators import TAKEN, program_version

        config, route = idea.config, idea.route
        source = _source(config, route.line if route.file == config.path else 0)
        scale = _scale(idea)
        several, silence_s = bool(set(idea.causes) & set(_SEVERAL)), _SHORT_S if scale < 1.0 else 0.0
        for _ in range(_TRIES):
            try:
                before, after, fix = await asyncio.to_thread(_adapted, idea, artifact, self.endpoint, scale)
            except Refusal as reason:
                return not_run(source, Reason.NOT_PERMITTED, f"{config.path} was not tried on loopback: {reason}")
            except UnreadableInputError as error:
                return not_run(source, Reason.UNREADABLE, f"{config.path} was not tried on loopback: {error}")
            texts = [before] if after is None else [before, after]
            trials = await asyncio.gather(*(self._run(text, config.program, several, silence_s) for text in texts))
            if all(trial.complaint != TAKEN for trial in trials):
                break
        facts = RehearsalFacts(
            product=config.program,
            version=await asyncio.to_thread(program_version, config.program),
            file=config.path,
            url=f"{'wss' if before.tls else 'ws'}://{before.host}{before.resource}",
            before=trials[0],
            causes=idea.causes,
            diff=fix.diff if fix else "",
            parts=tuple(one.diff for one in idea.fixes),
            after=trials[1] if len(trials) > 1 else None,
            left_out=before.left_out[:10],
            scale=scale,
        )
        return observed(source, facts)

    async def _run(self, adapted: "Adapted", program: str, several: bool, silence_s: float) -> Trial:
        from wsbook.probes.rehearsal import Play, probe_rehearsal
        from wsbook.validators import TAKEN

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
            origin=self.endpoint.origin if self.endpoint else None,
            several=several,
            silence_s=silence_s,
        )

        async def guarded() -> Trial:
            async with self._gate:
                return await probe_rehearsal(play)

        key = _key(adapted, several, silence_s)
        if key not in self._runs:
            self._runs[key] = asyncio.create_task(guarded())
        trial = await asyncio.shield(self._runs[key])
        if trial.complaint == TAKEN:
            self._runs.pop(key, None)
        return trial


def _scale(idea: Idea) -> float:
    """Return by what every limit is shortened so that the one in question ends after _SHORT_S; 1 when none is."""
    limits = [setting for setting in (idea.route.idle_s, idea.route.lifetime_s) if setting is not None and setting.value]
    seconds = [float(setting.value) for setting in limits if setting.value and setting.value.replace(".", "", 1).isdigit()]
    shortest = min((value for value in seconds if value > 0), default=0.0)
    return _SHORT_S / shortest if idea.only_limits and _SHORT_S < shortest < _LONGEST_S else 1.0


def _artifact(config: Config, endpoint: Endpoint | None) -> "Artifact | None":
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


def _stage() -> "Stage":
    from wsbook.parsers.proxies.rehearsing.stage import Stage
    from wsbook.programs import free_ports

    ports = list(free_ports(str(number) for number in range(_LISTENERS + 2 * _STUBS)).values())
    return Stage(listen=tuple(ports[:_LISTENERS]), plain=tuple(ports[_LISTENERS:][:_STUBS]), secure=tuple(ports[_LISTENERS + _STUBS :]))


def _adapted(idea: Idea, artifact: "Artifact", endpoint: Endpoint | None, scale: float) -> "tuple[Adapted, Adapted | None, Fix | None]":
    """Return both texts for loopback and the change between them; what the changed one speaks TLS to speaks it in both."""
    from wsbook.parsers.proxies.fixing import apply_changes, make_fix
    from wsbook.parsers.proxies.rehearsing.stage import Ask

    module, name = _ADAPTERS[idea.config.kind]
    adapt = getattr(import_module(f"wsbook.parsers.proxies.rehearsing.{module}"), name)
    route = idea.route
    ask = Ask(
        file=route.file,
        line=route.line,
        matcher=route.matcher,
        host=endpoint.authority if endpoint else "",
        port=endpoint.port if endpoint else 0,
        resource=endpoint.resource if endpoint else "",
        scale=scale,
    )
    before: Adapted = adapt(artifact, _stage(), ask)
    if not idea.fixes:
        return before, None, None
    files = {change.file for change in idea.changes}
    old = {file: artifact.text if file == artifact.name else before.texts[file] for file in files}
    texts = {file: apply_changes(old[file], [change for change in idea.changes if change.file == file]) for file in files}
    fix = make_fix(idea.causes, idea.changes, old)
    line = _moved(route, idea.changes)
    again = replace(ask, door=before.door, resource=before.resource, line=line)
    after: Adapted = adapt(artifact, _stage(), again, texts)
    if after.secure != before.secure:
        before = adapt(artifact, before.stage, replace(ask, secure=after.secure))
        after = adapt(artifact, after.stage, replace(again, secure=after.secure), texts)
    return before, after, fix


def _moved(route: RouteFacts, changes: Iterable[Change]) -> int:
    """Return the line of a route after changes."""
    before = [change for change in changes if change.file == route.file and change.line + max(change.removed - 1, 0) < route.line]
    inserted = [change for change in changes if change.file == route.file and change.line == route.line and not change.removed]
    return route.line + sum(len(change.added) - change.removed for change in (*before, *inserted))


def _key(adapted: "Adapted", several: bool, silence_s: float) -> object:
    """What makes two runs the same: the text but for its ports."""
    text = str(adapted.files)
    for number, port in enumerate((*adapted.stage.listen, *adapted.stage.plain, *adapted.stage.secure)):
        text = text.replace(str(port), f"port {number}")
    return text, adapted.resource, several, silence_s
