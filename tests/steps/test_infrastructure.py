"""Step 2.2: each configuration is read for the URL that reaches it, with the defaults of the version that answered."""

from pathlib import Path

import pytest

from wsbook.evidence import Evidence
from wsbook.facts import RouteFacts, UpgradeFacts
from wsbook.observation import Source, observed
from wsbook.steps.infrastructure import _read_config, _versions
from wsbook.target import parse_target

OUTER = "server { listen 8443; location /api/ { proxy_pass http://10.0.0.2:8081/; } }\n"
INNER = """server {
  listen 8081;
  location /api/ { proxy_pass http://10.0.0.3:1; }
  location /live { proxy_pass http://10.0.0.3:9000; }
}
"""
HOPS = ["app=ws://10.0.0.3:9000/live", "inner=ws://10.0.0.2:8081/live"]


def _serving(path: Path, versions: dict[str, str]) -> list[RouteFacts]:
    target = parse_target("wss://shop.example:8443/api/live", hops=HOPS)
    found = _read_config(str(path), target, versions)
    return [seen.facts for seen in found if isinstance(seen.facts, RouteFacts) and seen.facts.serves]


@pytest.mark.parametrize(("text", "upstream"), [(OUTER, "http://10.0.0.2:8081/"), (INNER, "http://10.0.0.3:9000")])
def test_a_file_is_read_for_what_reaches_its_port(text: str, upstream: str, tmp_path: Path) -> None:
    (tmp_path / "nginx.conf").write_text(text, encoding="utf-8")
    assert [route.upstream for route in _serving(tmp_path / "nginx.conf", {})] == [upstream]


@pytest.mark.parametrize(("version", "spoken"), [("1.22.1", "1.0"), ("1.29.7", "1.1")])
def test_defaults_are_those_of_the_version_that_answered(version: str, spoken: str, tmp_path: Path) -> None:
    (tmp_path / "nginx.conf").write_text(OUTER, encoding="utf-8")
    (route,) = _serving(tmp_path / "nginx.conf", {"nginx": version})
    assert route.http_version is not None
    assert route.http_version.value == spoken


@pytest.mark.parametrize(
    ("servers", "expected"),
    [(("nginx/1.22.1", "nginx/1.22.1"), {"nginx": "1.22.1"}), (("nginx/1.22.1", "nginx/1.29.7"), {}), (("nginx", "Caddy"), {}), ((), {})],
)
def test_versions_are_taken_from_answers(servers: tuple[str, ...], expected: dict[str, str]) -> None:
    answers = [
        observed(Source(step="1.3", probe="upgrade"), UpgradeFacts(url="ws://a/ws", accepted=True, status=101, headers=(("Server", name),)))
        for name in servers
    ]
    assert _versions(Evidence(parse_target(""), answers)) == expected


def test_the_step_without_endpoint_still_reads(tmp_path: Path) -> None:
    (tmp_path / "nginx.conf").write_text(INNER, encoding="utf-8")
    found = _read_config(str(tmp_path / "nginx.conf"), parse_target(""), {})
    assert sum(isinstance(seen.facts, RouteFacts) for seen in found) == 2
