"""Source folders and pieces of source as observations: endpoints and patterns. Knows which parser reads which language, no library."""

import posixpath
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wsbook.errors import UnreadableInputError, UsageError
from wsbook.facts import EndpointFacts, Facts, PatternFacts, TextFacts
from wsbook.observation import Observation, Source, observed
from wsbook.parsers.code.both_sides import both_side_patterns
from wsbook.parsers.code.client_options import option_patterns
from wsbook.parsers.code.component_patterns import component_patterns, factory_patterns
from wsbook.parsers.code.dev_proxies import find_forwards
from wsbook.parsers.code.dialling_patterns import dialling_patterns
from wsbook.parsers.code.endpoint_defects import url_defects
from wsbook.parsers.code.endpoints import find_dialled
from wsbook.parsers.code.env_files import build_variables, environment
from wsbook.parsers.code.evaluate import Scope
from wsbook.parsers.code.event_names import name_patterns
from wsbook.parsers.code.listener_patterns import listener_patterns
from wsbook.parsers.code.listeners import offered_by_command, offered_by_text, with_settings
from wsbook.parsers.code.message_patterns import message_patterns
from wsbook.parsers.code.offers import Backend, find_offered
from wsbook.parsers.code.opening_patterns import opening_patterns
from wsbook.parsers.code.order_patterns import order_patterns
from wsbook.parsers.code.origin_lists import origin_list_patterns
from wsbook.parsers.code.page_policies import policy_patterns
from wsbook.parsers.code.patterns import find_patterns
from wsbook.parsers.code.program_clients import find_program_dials
from wsbook.parsers.code.project_patterns import project_patterns
from wsbook.parsers.code.react_patterns import react_patterns
from wsbook.parsers.code.reconnect_patterns import reconnect_patterns
from wsbook.parsers.code.scope import Module, Project
from wsbook.parsers.code.script_flow import Flow
from wsbook.parsers.code.server_patterns import server_patterns
from wsbook.parsers.code.source_files import MAX_BYTES, Code, Folder, codes_of, language_of, read_folder
from wsbook.parsers.code.state_patterns import state_patterns
from wsbook.parsers.code.versions import with_versions
from wsbook.parsers.pattern_table import offers
from wsbook.target import Endpoint, parse_endpoint

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["parse_bundles", "parse_source_text", "parse_sources"]

_SCRIPTS = ("typescript", "tsx")
_PARSED = (*_SCRIPTS, "python", "go", "java")
"""Languages whose syntax is known; the others are searched as text."""

_OTHERS = ("kotlin", "csharp", "elixir", "ruby", "rust", "php", "dart", "swift", "cpp")
_MAX_FACTS = 2_000
_MAX_BUNDLES = 8_000_000
_SMALL = 50_000
_LOOKS = tuple(
    (language, re.compile(look, re.MULTILINE))
    for language, look in (
        ("php", r"<\?php|\$this->|^\s*use [A-Z]\w*\\\w"),
        ("elixir", r"^\s*defmodule [A-Z]|^\s*config :\w+, |^\s*defp? \w+.*\bdo$"),
        ("rust", r"\blet mut \w|^\s*(?:pub )?(?:async )?fn \w+[^\n]*(?:->|&mut |&self)|^use (?:std|tokio|axum|actix\w*|warp)::"),
        ("csharp", r"^\s*using (?:System|Microsoft)\b|\b(?:services|builder\.Services)\.Add\w+\(|\bTimeSpan\.From|: Hub\b"),
        ("ruby", r"^\s*class \w+ < [A-Z]\w*(?:::\w+)*\s*$|^Rails\.application\b"),
        ("html", r"<script|<template"),
        ("json", r"\A\s*\{\s*\""),
    )
)
"""What a piece without a name looks like, when the grammars of other languages cannot tell."""
_NAMES_SOCKET = re.compile(r"WebSocket|wss?:|socket\.io|sockjs|SockJS|signalr|\bio\(|Pusher|graphql-ws|EventSource")


def parse_sources(paths: Iterable[str], *, side: str, page_url: str = "", step: str, beside: Iterable[str] = ()) -> list[Observation]:
    """Return one TextFacts, then the endpoints and patterns of all code below paths.

    side: frontend (what is dialled) or backend (what is offered). page_url: resolves location and relative URLs, "" unknown. step: 1.1
    gives endpoints with the defects of their URLs, 3.1 and 3.2 the patterns of that side, anything else both.
    beside: paths of the server's code, which the names and formats of a frontend are compared with; nothing else is told of it.

    Raises:
        UsageError: side is neither.
        UnreadableInputError: a path does not exist.
    """
    server = read_folder(given) if side == "frontend" and (given := list(beside)) else Folder()
    return _observations(read_folder(paths), side=side, page_url=page_url, step=step, artifact="", server=server)


def parse_bundles(scripts: Iterable[tuple[str, str]], *, page_url: str, step: str) -> list[Observation]:
    """Return the endpoints that the scripts of a page dial, as built, with the defects of their URLs.

    scripts: (URL, text), the page itself among them, sources out of source maps last. Large ones that name no socket are left out, and
    what goes beyond 8 MB.
    """
    codes: list[Code] = []
    room = _MAX_BUNDLES
    for url, text in scripts:
        if len(text) <= room and (len(text) < _SMALL or _NAMES_SOCKET.search(text)):
            room -= len(text)
            is_page = bool(re.match(r"\s*<", text[:200]))
            codes += codes_of(text, url, "html" if is_page else language_of(urlsplit(url).path) or "tsx")
    page = parse_endpoint(page_url.partition("#")[0])
    parsed = _parsed(codes)
    project = project_of(parsed, Folder(), page)
    found: list[Facts] = [fact for module in project.modules for fact in find_dialled(Scope(module, project), built=True)]
    found = _different(found)
    found += [defect for fact in found if isinstance(fact, EndpointFacts) and not fact.condition for defect in url_defects(fact, page)]
    return [observed(_source(step, fact), fact) for fact in _unique(found)[:_MAX_FACTS]]


def _different(found: Iterable[Facts]) -> list[Facts]:
    """Return the endpoints that differ in what is dialled: a build and its source map name each twice."""
    seen: dict[object, Facts] = {}
    for fact in found:
        if isinstance(fact, EndpointFacts):
            seen.setdefault((fact.library, fact.origin, fact.path, fact.condition), fact)
    return list(seen.values())


def parse_source_text(text: str, *, artifact: str, side: str, step: str, page_url: str = "", language: str = "") -> list[Observation]:
    """Return the same for one text. language: as ast-grep names it; "" means by the name of the artifact, else by the look of the text.

    Raises:
        UsageError: side is neither.
        UnreadableInputError: larger than 1 MB, or binary.
    """
    if len(text) > MAX_BYTES or "\0" in text:
        raise UnreadableInputError(f"{artifact}: {len(text):,} characters, binary or larger than {MAX_BYTES:,}")
    known = language or language_of(artifact) or _guessed(text)
    codes = tuple(codes_of(text, artifact, known))
    folder = Folder(commands=codes) if known == "command" else Folder(manifests=codes) if known == "manifest" else Folder(codes=codes)
    return _observations(folder, side=side, page_url=page_url, step=step, artifact=artifact)


def _guessed(text: str) -> str:
    """Return the likeliest language of a nameless piece: one that it looks like, else that whose grammar leaves the fewest errors."""
    if looks := next((language for language, look in _LOOKS if look.search(text)), ""):
        return looks
    from ast_grep_py import SgRoot

    order = ("typescript", "python", "tsx", "go", "java")
    errors = {language: len(SgRoot(text[:20_000], language).root().find_all(kind="ERROR")) for language in order}
    return min(order, key=lambda language: errors[language])


def _observations(folder: Folder, *, side: str, page_url: str, step: str, artifact: str, server: Folder | None = None) -> list[Observation]:
    if side not in ("frontend", "backend"):
        raise UsageError(f"side {side!r} is neither frontend nor backend")
    page = parse_endpoint(page_url.partition("#")[0]) if page_url else None
    facts = _facts(folder, side=side, page=page, step=step, server=server or Folder())[:_MAX_FACTS]
    total = TextFacts(
        kind=f"{side}_source",
        size_bytes=sum(len(c.text) for c in (*folder.codes, *folder.commands)),
        items=len(folder.codes) + len(folder.commands),
        unparsed=folder.skipped,
    )
    return [observed(Source(step=step, probe="sources", artifact=artifact), total), *(observed(_source(step, f), f) for f in facts)]


def _said(codes: Iterable[Code], endpoint: EndpointFacts) -> str:
    """Return the comment in the two lines before an endpoint, "" when there is none."""
    code = next((c for c in codes if c.artifact == endpoint.file and c.line <= endpoint.line <= c.line + c.text.count("\n")), None)
    before = code.text.split("\n")[max(0, endpoint.line - code.line - 2) : endpoint.line - code.line] if code is not None else []
    return "\n".join(line for line in before if re.match(r"\s*(?://|#|\*|/\*)", line))


def _source(step: str, facts: Facts) -> Source:
    return Source(step=step, probe="sources", artifact=str(getattr(facts, "file", "")), line=int(getattr(facts, "line", 0)))


def _parsed(codes: Iterable[Code]) -> "list[tuple[Code, SgNode]]":
    from ast_grep_py import SgRoot

    return [(code, SgRoot(code.text, code.language).root()) for code in codes if code.language in _PARSED]


def _facts(folder: Folder, *, side: str, page: Endpoint | None, step: str, server: Folder) -> list[Facts]:
    parsed = _parsed(folder.codes)
    found: list[Facts] = []
    if step not in ("3.1", "3.2"):
        project = project_of(parsed, folder, page)
        found += _dialled(parsed, folder, project) if side == "frontend" else _offered(parsed, folder, project)
        dialled = [f for f in found if isinstance(f, EndpointFacts) and f.side == "frontend"]
        found += [defect for endpoint in dialled for defect in url_defects(endpoint, page, _said(folder.codes, endpoint))]
        found += policy_patterns(folder.codes, dialled)
    if step != "1.1":
        others = [(code, None) for code in folder.codes if code.language in _OTHERS]
        found += find_patterns([*parsed, *others], [*folder.commands, *folder.manifests], side=side)
        if side == "frontend":
            flows = [(code, Flow(root)) for code, root in parsed if code.language in _SCRIPTS]
            found += [fact for code, flow in flows for fact in _script_patterns(code, flow)]
            found += factory_patterns(flows)
            found += _both_sides(flows, folder, server)
        else:
            found += server_patterns(parsed, folder)
            found += project_patterns(folder)
            found += origin_list_patterns(folder.codes)
    return _unique(found)


def _both_sides(flows: list[tuple[Code, Flow]], folder: Folder, server: Folder) -> list[PatternFacts]:
    """Return what shows only beside the other side's code; places in the server's own folder belong to another step."""
    scripts = [*flows, *((code, Flow(root)) for code, root in _parsed(server.codes) if code.language in _SCRIPTS)]
    every = [*folder.codes, *server.codes]
    known = frozenset(code.artifact for code in server.codes)
    found = [
        *name_patterns(scripts, [code for code in every if code.language not in _SCRIPTS], known),
        *both_side_patterns(every, known),
    ]
    return [fact for fact in found if fact.file not in known]


def _script_patterns(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    yield from react_patterns(code, flow.root)
    yield from reconnect_patterns(code, flow)
    yield from listener_patterns(code, flow)
    yield from state_patterns(code, flow)
    yield from option_patterns(code, flow)
    yield from opening_patterns(code, flow)
    yield from component_patterns(code, flow)
    yield from message_patterns(code, flow)
    yield from dialling_patterns(code, flow)
    yield from order_patterns(code, flow)


def _dialled(parsed: "list[tuple[Code, SgNode]]", folder: Folder, project: Project) -> list[Facts]:
    found: list[EndpointFacts] = []
    for module in project.modules:
        if any(word in module.text for word in _WORDS):
            found += find_dialled(Scope(module, project))
    found += find_program_dials(((code, root) for code, root in parsed if code.language not in _SCRIPTS), folder.codes)
    return [*with_versions(found, folder.manifests), *find_forwards(project, folder.manifests)]


def _offered(parsed: "list[tuple[Code, SgNode]]", folder: Folder, project: Project) -> list[Facts]:
    found = list(find_offered(Backend(parsed, project)))
    for code in folder.codes:
        for offer in offers():
            if offer.texts and code.language in offer.languages and (not offer.needs or re.search(offer.needs, code.text)):
                found += [f for pattern in offer.texts for f in offered_by_text(code, offer.library, pattern, offer.suffix)]
    for code in folder.commands:
        found += offered_by_command(code)
    return list(with_versions(with_settings(found, folder.manifests), folder.manifests))


def project_of(parsed: "list[tuple[Code, SgNode]]", folder: Folder, page: Endpoint | None) -> Project:
    """Return the scripts of a folder as modules, each with the variables that a build in its place knows."""
    development = page is not None and page.is_loopback
    local_first = any(re.search(r'"next"\s*:', code.text) for code in folder.manifests)
    known: dict[str, dict[str, str] | None] = {}
    given = build_variables(code.text for code in folder.commands if not code.artifact.endswith("package.json"))
    modules = []
    for code, root in parsed:
        if code.language not in _SCRIPTS:
            continue
        place = posixpath.dirname(code.artifact.replace("\\", "/"))
        if place not in known:
            files = environment(folder.env, place, development=development, local_first=local_first)
            known[place] = (files or {}) | given if files is not None or given else None
        modules.append(Module(root, artifact=code.artifact, env=known[place], line=code.line, has_markup=code.language == "tsx"))
    return Project(modules, page=page)


_WORDS = (
    "WebSocket",
    "Websocket",
    "webSocket",
    "socket",
    "Socket",
    "io(",
    "SockJS",
    "withUrl",
    "createConsumer",
    "createClient",
    "connect(",
    "Client(",
    "EventSource",
    "tomp",
    "Echo(",
    "Pusher(",
    "entrifuge(",
    "forRoot(",
)


def _unique(facts: list[Facts]) -> list[Facts]:
    seen: dict[object, Facts] = {}
    for fact in facts:
        seen.setdefault(fact, fact)
    return list(seen.values())
