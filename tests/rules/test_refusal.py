"""A refusal with nothing known behind it: the endpoint's other answers tell who refused, and why."""

import pytest
from observations import answer, findings, roots, seen

from wsbook.attempt import NO_ORIGIN, NO_UPGRADE, RANDOM_PATH
from wsbook.facts import Headers, RouteFacts, Setting
from wsbook.observation import Observation
from wsbook.target import parse_target

ALONE = parse_target("ws://shop.test/ws")
NGINX_PAGE = "<html><center>nginx/1.24.0</center></html>"


def three(upgrade: tuple[int, str], plain: tuple[int, str], unknown: tuple[int, str]) -> list[Observation]:
    return [
        answer(upgrade[0], body=upgrade[1]),
        answer(plain[0], body=plain[1], changed=NO_UPGRADE),
        answer(unknown[0], body=unknown[1], changed=RANDOM_PATH, url="ws://shop.test/wsbook-x"),
    ]


ROWS: list[tuple[str, list[Observation], str | None]] = [
    ("accepted", three((101, ""), (426, "upgrade"), (404, "no")), None),
    ("like a plain GET", three((200, "<html>app"), (200, "<html>app"), (404, "nothing here")), "proxy.upgrade-header-missing"),
    ("like an unknown path", three((403, ""), (404, "not found"), (403, "")), "endpoint.wrong-path"),
    ("unknown to whoever takes this path", three((404, "no"), (404, "no"), (404, NGINX_PAGE)), "proxy.path-rewrite-wrong"),
    ("no server of sockets answers so", three((406, "no"), (400, "upgrade"), (404, "x")), "proxy.security-layer-blocks"),
    ("this path stumbles", three((500, "oops"), (500, "oops"), (404, "x")), "backend.exception-in-handler"),
    ("a route that takes no GET", three((405, "no"), (405, "no"), (404, "x")), "handshake.invalid-exchange"),
    ("every upgrade fails", three((500, "error"), (404, "not found"), (500, "error")), "backend.middleware-breaks-upgrade"),
    ("all alike, the proxy's page", three((404, NGINX_PAGE), (404, NGINX_PAGE), (404, NGINX_PAGE)), "proxy.ws-location-missing"),
    (
        "all alike, asking for an upgrade",
        three((426, "Upgrade Required"), (426, "Upgrade Required"), (426, "Upgrade Required")),
        "proxy.upgrade-header-missing",
    ),
    (
        "all alike, the application's page",
        three((404, "no such page"), (404, "no such page"), (404, "no such page")),
        "proxy.upgrade-header-missing",
    ),
    ("all alike, the page of everything", three((200, "<html>"), (200, "<html>"), (200, "<html>")), "endpoint.wrong-path"),
    ("forbidden, upgrade or not", three((403, "no"), (403, "no"), (404, "x")), "proxy.security-layer-blocks"),
    ("only this path reaches the application", three((404, "no route"), (200, "hello"), (404, NGINX_PAGE)), "proxy.path-rewrite-wrong"),
]


@pytest.mark.parametrize(("observations", "cause"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_three_answers_tell(observations: list[Observation], cause: str | None) -> None:
    assert roots(*observations, target=ALONE)[:1] == ([cause] if cause else [])


def test_the_proxys_own_400_is_about_the_request_and_not_its_place() -> None:
    named = roots(*three((400, NGINX_PAGE), (400, NGINX_PAGE), (400, NGINX_PAGE)), target=ALONE)
    assert not {"proxy.ws-location-missing", "endpoint.wrong-path"} & set(named)


@pytest.mark.parametrize(("forwarded", "blamed"), [("forwarded", False), ("absent", True)])
def test_a_configuration_that_passes_upgrade_is_not_blamed_for_a_404(forwarded: str, blamed: bool) -> None:
    upgrade = Setting(value=forwarded, file="p.conf", line=9)
    facts = RouteFacts(product="nginx", file="p.conf", line=5, matcher="/", serves=True, upgrade=upgrade)
    route = seen(facts, step="2.2", probe="config", hop="")
    named = roots(*three((404, "no"), (404, "no"), (404, NGINX_PAGE)), route, target=ALONE)
    assert ("proxy.upgrade-header-missing" in named) is blamed


def test_what_a_change_cures_is_explained_by_the_change() -> None:
    cured = [*three((403, "bad origin"), (403, "bad origin"), (404, "x")), answer(101, changed=NO_ORIGIN)]
    assert roots(*cured, target=ALONE) == ["origin.not-in-allowlist"]


@pytest.mark.parametrize(
    ("headers", "own"),
    [
        ((("Server", "Caddy"),), True),
        ((("Server", "Caddy"), ("Via", "1.1 Caddy")), False),
        ((("Server", "envoy"), ("x-envoy-upstream-service-time", "3")), False),
        ((("Server", "app/1"),), False),
    ],
    ids=["Caddy itself", "passed on by Caddy", "passed on by Envoy", "the application"],
)
def test_an_empty_answer_of_a_proxy_itself(headers: Headers, own: bool) -> None:
    alike = [answer(404, headers=headers, changed=changed) for changed in ("", NO_UPGRADE, RANDOM_PATH)]
    found = {one.cause: one.confidence for one in findings(*alike, target=ALONE) if "plain GET" in one.summary}
    assert (found["proxy.ws-location-missing"] >= 0.7) is own


def test_what_stands_before_all_paths_is_not_blamed_where_one_path_stumbles() -> None:
    assert "backend.middleware-breaks-upgrade" not in roots(*three((500, "oops"), (500, "oops"), (404, "x")), target=ALONE)


def test_nothing_is_guessed_where_the_answer_says_it_all() -> None:
    page = "<title>400 The plain HTTP request was sent to HTTPS port</title>"
    assert roots(*three((400, page), (400, page), (404, "x")), target=ALONE) == ["endpoint.plain-to-tls-port"]


def test_nothing_is_concluded_from_one_answer() -> None:
    assert "endpoint.wrong-path" not in roots(answer(426), target=ALONE)[:1]
    assert roots(answer(101), target=ALONE) == []


def test_what_is_known_behind_it_outranks_it() -> None:
    behind = parse_target("ws://shop.test/ws", hops=["app=ws://10.0.0.5:8000/ws"])
    assert roots(*three((403, ""), (404, "x"), (403, "")), answer(101, hop="app"), target=behind)[:1] != ["endpoint.wrong-path"]


NOT_FOUND = (404, "Not Found")
WSGI = (("Server", "WSGIServer/0.2 CPython/3.11.7"),)
APPLICATION = parse_target("ws://shop.test/ws", hops=["app=ws://10.0.0.5:8000/ws"])


def at_app(upgrade: int, plain: int, unknown: int, headers: Headers = ()) -> list[Observation]:
    """Return what the application and the proxy before it answer: both the same."""
    return [
        answer(status, body="no", hop=hop, changed=changed, headers=headers, url="ws://shop.test/x" if changed == RANDOM_PATH else "")
        for hop in ("app", "endpoint")
        for status, changed in ((upgrade, ""), (plain, NO_UPGRADE), (unknown, RANDOM_PATH))
    ]


@pytest.mark.parametrize(
    ("observations", "cause"),
    [
        pytest.param(at_app(404, 404, 404, WSGI), "backend.wrong-server-type", id="a WSGI server knows no upgrade"),
        pytest.param(at_app(404, 404, 404), "endpoint.wrong-path", id="nothing is known of the server"),
        pytest.param(at_app(404, 200, 404, WSGI), "endpoint.wrong-path", id="an upgrade is not treated like a GET"),
        pytest.param(at_app(101, 404, 404, WSGI), None, id="accepted"),
    ],
)
def test_what_kind_of_server_the_application_is(observations: list[Observation], cause: str | None) -> None:
    named = roots(*observations, target=APPLICATION)
    assert named[:1] == ([cause] if cause else [])
    assert not [slug for slug in named if slug.startswith("proxy.")]
