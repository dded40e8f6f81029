"""Findings that stand at a line of a file as SARIF 2.1.0 (OASIS, 2020), for code scanning and editors. Pure.

A result's first location is a source or configuration; lines of logs and recordings are related locations, unless there is nothing else.
Paths that were given absolute stand relative to what was given (uriBaseId), others as they were given.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from msgspec import Struct

from wsbook.causes import Cause, causes
from wsbook.finding import Finding, Severity, Verdict
from wsbook.report.remedy import Edit, edits_of, remedy_parts
from wsbook.target import Target
from wsbook.words import plain

__all__ = ["sarif"]

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_PLACE = re.compile(r"^(?P<path>.+?):(?P<line>\d+)$")
_URL = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_LOCATIONS, _TEXT = 20, 2000


class _Base(Struct, frozen=True, kw_only=True):
    """A folder that was given, or the folder of a file that was given, under a name of its own."""

    name: str
    folder: PurePath


def sarif(findings: Iterable[Finding], target: Target) -> dict[str, Any]:
    """Return the document: one run, whose results are the faults with a line of a file among their evidence."""
    found = [(finding, places) for finding in findings if finding.verdict is Verdict.FAULT and (places := _places(finding))]
    paths = {path for _, places in found for path, _ in places} | {edit.path for finding, _ in found for edit in _edits(finding.remedy)}
    bases = _bases(target, paths)
    slugs = sorted({finding.cause for finding, _ in found})
    known = causes()
    driver = {"name": "wsbook", "version": _version(), "rules": [_rule(slug, known.get(slug)) for slug in slugs]}
    logs = {*target.logs, target.har, target.console}
    results = [_result(finding, places, slugs.index(finding.cause), bases, logs) for finding, places in found]
    run: dict[str, Any] = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    if bases:
        run["originalUriBaseIds"] = {base.name: {"uri": f"file://{quote(base.folder.as_posix().rstrip('/'))}/"} for base in bases}
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _version() -> str:
    try:
        return version("wsbook")
    except PackageNotFoundError:
        return "0"


def _bases(target: Target, paths: Iterable[str]) -> list[_Base]:
    """Return the absolute folders that were given, or that hold a file that was given, as far as they hold any of paths; deepest first."""
    given = (*target.frontend, *target.backend, *target.configs, *target.logs, target.har, target.console)
    told = {PurePath(path) for path in paths}
    folders: dict[PurePath, None] = {}
    for place in map(PurePath, filter(None, given)):
        if place.is_absolute() and place in told:
            folders[place.parent] = None
        elif place.is_absolute() and any(place in path.parents for path in told):
            folders[place] = None
    ordered = sorted(folders, key=lambda folder: -len(folder.parts))
    return [_Base(name=f"GIVEN{number}", folder=folder) for number, folder in enumerate(ordered, start=1)]


def _places(finding: Finding) -> list[tuple[str, int]]:
    """Return (path, line) of the evidence that stands in a file, each once."""
    matches = (_PLACE.match(proof.where) for proof in finding.proofs)
    places = ((found["path"], int(found["line"])) for found in matches if found and int(found["line"]) and not _URL.match(found["path"]))
    return list(dict.fromkeys(places))[:_LOCATIONS]


def _rule(slug: str, entry: Cause | None) -> dict[str, Any]:
    if entry is None:
        return {"id": slug}
    link = next((one for one in entry.references if one.startswith("https://") and " " not in one), "")
    return {
        "id": slug,
        "shortDescription": {"text": entry.title},
        "fullDescription": {"text": entry.meaning},
        "help": {"text": entry.remedy or entry.meaning},
        "defaultConfiguration": {"level": _LEVELS[entry.severity]},
        "properties": {"step": entry.step, "tags": ["websocket", slug.partition(".")[0]]},
        **({"helpUri": link} if link else {}),
    }


def _result(finding: Finding, places: Sequence[tuple[str, int]], rule: int, bases: Sequence[_Base], logs: Iterable[str]) -> dict[str, Any]:
    sources = [place for place in places if not _is_of(place[0], logs)]
    first = (sources or places)[0]
    related = [place for place in places if place != first]
    fixes = _fixes(finding.remedy, bases)
    return {
        "ruleId": finding.cause,
        "ruleIndex": rule,
        "level": _LEVELS[finding.severity],
        "rank": round(100 * finding.confidence, 1),
        "message": {"text": _words(finding.summary)},
        "locations": [{"physicalLocation": _physical(*first, bases)}],
        **({"relatedLocations": [_related(finding, place, number, bases) for number, place in enumerate(related)]} if related else {}),
        "partialFingerprints": {"wsbookCause/v1": _fingerprint(finding, first, bases)},
        **({"fixes": fixes} if fixes else {}),
        "properties": {"step": finding.step, "rootCause": finding.root, "explainedBy": list(finding.explained_by)},
    }


def _is_of(path: str, given: Iterable[str]) -> bool:
    return any(one and (path == one or PurePath(one) in PurePath(path).parents) for one in given)


def _related(finding: Finding, place: tuple[str, int], number: int, bases: Sequence[_Base]) -> dict[str, Any]:
    words = next((proof.text for proof in finding.proofs if proof.where == f"{place[0]}:{place[1]}"), "")
    return {"id": number, "message": {"text": _words(words) or "evidence"}, "physicalLocation": _physical(*place, bases)}


def _artifact(path: str, bases: Sequence[_Base]) -> dict[str, Any]:
    """Return where a file is: relative to the folder that was given, where it was given absolute (section 3.4)."""
    pure = PurePath(path)
    base = next((one for one in bases if one.folder in pure.parents), None)
    if base is not None:
        return {"uri": quote(pure.relative_to(base.folder).as_posix()), "uriBaseId": base.name}
    return {"uri": f"file://{quote(pure.as_posix())}" if pure.is_absolute() else quote(pure.as_posix())}


def _physical(path: str, line: int, bases: Sequence[_Base]) -> dict[str, Any]:
    return {"artifactLocation": _artifact(path, bases), "region": {"startLine": line}}


def _fingerprint(finding: Finding, place: tuple[str, int], bases: Sequence[_Base]) -> str:
    """Return what stays when lines move and when the folder is another: the cause and the file."""
    return sha256(f"{finding.cause}\0{_artifact(place[0], bases)['uri']}".encode()).hexdigest()[:32]


def _edits(remedy: str) -> list[Edit]:
    return [edit for kind, text in remedy_parts(remedy) if kind == "snippet" for edit in edits_of(text)]


def _fixes(remedy: str, bases: Sequence[_Base]) -> list[dict[str, Any]]:
    """Return the unified diffs of a remedy as one fix."""
    files: dict[str, list[Edit]] = {}
    for edit in _edits(remedy):
        files.setdefault(edit.path, []).append(edit)
    if not files:
        return []
    words = " ".join(text for kind, text in remedy_parts(remedy) if kind == "words")
    changes = [
        {"artifactLocation": _artifact(path, bases), "replacements": [_replacement(edit) for edit in some]} for path, some in files.items()
    ]
    return [{"description": {"text": _words(words) or "change the configuration"}, "artifactChanges": changes}]


def _replacement(edit: Edit) -> Mapping[str, Any]:
    """Return an edit of whole lines (section 3.57): the region ends before the first character that stays."""
    region = {"startLine": edit.line, "startColumn": 1, "endLine": edit.line + edit.removed, "endColumn": 1}
    inserted = "".join(f"{line}\n" for line in edit.inserted)
    return {"deletedRegion": region, **({"insertedContent": {"text": inserted}} if inserted else {})}


def _words(text: str) -> str:
    """Return a text of anybody's as a plain text message that holds neither a link nor a placeholder (sections 3.11.5 and 3.11.6)."""
    line = " ".join(plain(text).split())[:_TEXT]
    bare = re.sub(r"([\\\[\]])", r"\\\1", line) if "](" in line else line
    return re.sub(r"\{(\d+)\}", r"{{\1}}", bare)
