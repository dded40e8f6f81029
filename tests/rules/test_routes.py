"""What a configuration does with the WebSocket's route, said the same way for every product."""

import pytest
from observations import findings, roots, seen

from wsbook.facts import RouteFacts, Setting
from wsbook.finding import Verdict
from wsbook.observation import Observation


def setting(value: str | None) -> Setting | None:
    return None if value is None else Setting(value=value, file="p.conf", line=9)


def route(
    upgrade: str | None, connection: str | None, version: str | None = "1.1", *, serves: bool | None = True, lost: bool = False
) -> Observation:
    facts = RouteFacts(
        product="nginx",
        file="p.conf",
        line=5,
        matcher="/ws",
        serves=serves,
        upstream="app:8000",
        upgrade=setting(upgrade),
        connection=setting(connection),
        http_version=setting(version),
        inheritance_lost=lost,
    )
    return seen(facts, step="2.2", probe="config", hop="")


ROWS: list[tuple[str, Observation, list[str]]] = [
    ("healthy", route("forwarded", "upgrade"), []),
    ("healthy by a map", route("forwarded", "forwarded"), []),
    ("no Upgrade", route("absent", "absent"), ["proxy.upgrade-header-missing"]),
    ("Connection closed", route("forwarded", "close"), ["proxy.upgrade-header-missing"]),
    ("Upgrade carries the wrong word", route("upgrade", "upgrade"), ["proxy.upgrade-header-missing"]),
    ("headers lost by inheritance", route("absent", "absent", lost=True), ["proxy.set-header-inheritance-lost"]),
    ("HTTP/1.0", route("forwarded", "upgrade", "1.0"), ["proxy.http-1.0-upstream"]),
    ("a route of something else", route("absent", "absent", serves=False), []),
    ("nothing known", route(None, None, None), []),
]


@pytest.mark.parametrize(("observation", "causes"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_route(observation: Observation, causes: list[str]) -> None:
    assert roots(observation) == causes


def test_evidence_names_file_and_line_and_the_fix_the_lines_to_add() -> None:
    (found,) = [finding for finding in findings(route("absent", "absent")) if finding.verdict is Verdict.FAULT]
    assert found.evidence[0].where == "p.conf:9"
    assert "+ proxy_set_header Upgrade $http_upgrade;" in found.remedy
