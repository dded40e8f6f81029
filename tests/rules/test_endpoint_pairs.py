"""Front and back ends of many frameworks: which part of the endpoint differs, and what it is called."""

from pathlib import Path

import pytest
from endpoint_pairs import HELD_BACK, PAIRS, Row
from msgspec.structs import replace

from wsbook.evidence import Evidence
from wsbook.finding import Finding, Verdict
from wsbook.parsers.proxies import parse_config
from wsbook.parsers.sources import parse_sources
from wsbook.rules import judge
from wsbook.rules.pairing import Pair, pairs
from wsbook.target import parse_target


def examine(row: Row, folder: Path) -> tuple[tuple[Pair, ...], list[Finding]]:
    """Return the pairs and the findings of a row, as a run without any network would have them."""
    for side, files in (("front", row.front), ("back", row.back)):
        (folder / side).mkdir()
        for name, text in files.items():
            path = folder / side / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    seen = parse_sources([str(folder / "front")], side="frontend", step="1.1", page_url=row.page)
    seen += parse_sources([str(folder / "back")], side="backend", step="1.1")
    url = next((url for o in seen if (url := getattr(o.facts, "url", None))), "") if row.nginx else ""
    if row.nginx:
        path = "/" + url.split("/", 3)[3]
        seen += parse_config(row.nginx, kind="nginx_conf", artifact="nginx.conf", endpoint_path=path, step="2.2")
    numbered = [replace(o, id=f"{o.source.step}-{number}") for number, o in enumerate(seen)]
    evidence = Evidence(parse_target(url, page_url=row.page), numbered)
    return pairs(evidence), list(judge(evidence)[0])


@pytest.mark.parametrize("row", PAIRS + HELD_BACK, ids=[row.name for row in PAIRS + HELD_BACK])
def test_pair(row: Row, tmp_path: Path) -> None:
    found, findings = examine(row, tmp_path)
    faults = {f.cause for f in findings if f.verdict is Verdict.FAULT and f.cause.startswith(("endpoint.", "net."))}
    assert found, "nothing is dialled"
    assert any(pair.offered is not None for pair in found), "nothing is offered"
    differs = {part for pair in found for part in pair.differs}
    assert row.part in differs if row.part else row.cause or not differs
    assert faults == ({row.cause} if row.cause else set())


PROJECTS = sorted((Path(__file__).parents[2] / "data" / "samples" / "sources" / "projects").iterdir())
WITHOUT_ROUTES = {"reverb-and-own"}
"""Projects whose server is a product of its own: nothing in their code offers an endpoint."""


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.name)
@pytest.mark.parametrize("page", ["https://app.example/", "http://app.example/", ""])
def test_a_healthy_project_has_no_fault(project: Path, page: str) -> None:
    seen = parse_sources([str(project / "front")], side="frontend", step="1.1", page_url=page)
    seen += parse_sources([str(project / "back")], side="backend", step="1.1")
    evidence = Evidence(parse_target("", page_url=page), [replace(o, id=f"1.1-{number}") for number, o in enumerate(seen)])
    assert [f.summary for f in judge(evidence)[0] if f.verdict is Verdict.FAULT] == []
    found = pairs(evidence)
    assert found
    assert all(pair.differs == () for pair in found)
    assert project.name in WITHOUT_ROUTES or any(pair.offered is not None for pair in found)
