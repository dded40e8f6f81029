"""Judge artifacts without a network: files in, judgement out."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from wsbook.case import Case, Judgement
from wsbook.errors import UsageError
from wsbook.finding import Finding
from wsbook.parsers.read import read_artifact, read_words
from wsbook.parsers.symptom import parse_symptom
from wsbook.steps.rehearsing import rehearse
from wsbook.target import Budget, Target, parse_endpoint

__all__ = ["candidates_of", "read_artifacts", "write_sarif"]

_CONFIG_BYTES = 2**20
"""Larger files declare no log formats."""


def read_artifacts(files: Iterable[Path], *, kind: str = "", symptom: str = "", url: str = "", prove: bool = False) -> Judgement:
    """Return the judgement on files alone.

    kind: what they are, "" to tell from their content. url: the endpoint, "" unknown; nothing is dialled.
    prove: try the configurations and their changes on loopback (steps/rehearsing.py).

    Raises:
        UsageError: a file does not exist, or kind is not one of those known. UnreadableInputError: a file cannot be read as its kind.
    """
    paths = list(files)
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path} does not exist")
    endpoint = parse_endpoint(url, ("ws", "wss")) if url else None
    served: dict[str, Any] = (
        {"endpoint_path": endpoint.path, "endpoint_host": endpoint.host, "endpoint_port": endpoint.port} if endpoint else {}
    )
    case = _told(symptom, url)
    for path in paths:
        others = [str(other) for other in paths if other != path and other.is_file() and other.stat().st_size < _CONFIG_BYTES]
        case.add(*read_artifact(str(path), kind=kind, configs=others, **served))
        case.add(*read_words(str(path), kind=kind))
    if prove:
        asyncio.run(rehearse(case, case.evidence.observations))
    return case.judge()


def candidates_of(symptom: str) -> list[Finding]:
    """Return the causes that a symptom alone may stand for, likeliest first; nothing else is known."""
    return [finding for finding in _told(symptom).judge().findings if finding.root]


def _told(symptom: str, url: str = "") -> Case:
    """Return a case that knows what was told and nothing else."""
    case = Case(Target(url=url, symptom=symptom), Budget.named("quick"))
    if symptom:
        case.add(parse_symptom(symptom, step="0"))
    return case


def write_sarif(path: Path, judgement: Judgement, files: Iterable[Path]) -> None:
    """Write the findings that stand at a line of a file as SARIF.

    Raises:
        UsageError: the file cannot be written.
    """
    from wsbook.redact import Redactor
    from wsbook.report import sarif_bytes

    target, redactor = Target(url="", configs=tuple(map(str, files))), Redactor()
    try:
        path.write_bytes(sarif_bytes(map(redactor.value, judgement.findings), target))
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
