"""No secret of what people hand over stands in a record: two hundred of each of ten kinds, in every artifact that is read.

What is read goes the way of an investigation: parsed, kept, judged, and told in both reports.
"""

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import pytest
from secret_kinds import KINDS, Kind, Secret, secrets_of
from secret_places import PLACES
from secret_search import found_in, parts_of

from wsbook.case import Case
from wsbook.parsers.read import read_artifact
from wsbook.record import Record
from wsbook.report import write_report
from wsbook.target import Budget, parse_target

EACH = 200
STEPS_TOLD = {"1.1", "1.2", "1.4", "2.2"}


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    monkeypatch.setattr("wsbook.validators.find_program", lambda name: None)  # no caddy is started for each file
    target = parse_target("")
    with Case(target, Budget.named("quick"), Record.create(tmp_path / "record", target)) as one:
        yield one


def read(case: Case, folder: Path, name: str, secret: Secret) -> None:
    kind, step, make = PLACES[name]
    path = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(make(secret), encoding="utf-8")
    case.add(*read_artifact(str(path), kind=kind, step=step, endpoint_path="/ws"))


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_no_secret_of_an_artifact_stands_in_the_record(kind: Kind, case: Case, tmp_path: Path) -> None:
    """Each secret stands in two kinds of artifacts, each artifact holds at least ten secrets of the kind."""
    made, names = secrets_of(kind, EACH), cycle(PLACES)
    for number, secret in enumerate(made):
        read(case, tmp_path / "given" / str(number), next(names), secret)
        if number % 15 == 0:
            next(names)  # not always the same pairs
    for number, secret in enumerate(made[: len(PLACES)]):
        read(case, tmp_path / "given" / f"{number}-again", list(PLACES)[-1 - number], secret)
    case.judge()
    record = tmp_path / "record"
    write_report(record)
    parts = parts_of(secret.private for secret in made)
    assert {seen.source.step for seen in case.evidence.observations} == STEPS_TOLD
    files = sorted(path.name for path in record.iterdir())
    assert {"findings.json", "observations.jsonl", "report.html", "report.md", "target.toml"} <= set(files)
    assert {name: found for name in files if (found := found_in((record / name).read_text(encoding="utf-8"), parts))} == {}
