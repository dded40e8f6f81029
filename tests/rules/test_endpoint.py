"""The endpoint in the code, on facts alone: fault, clear, boundary and evidence missing for each question."""

# ruff: noqa: E501 (a row is a case)

import pytest
from observations import answer, seen

from wsbook.evidence import Evidence
from wsbook.facts import EndpointFacts, ForwardFacts, RouteFacts
from wsbook.finding import Verdict
from wsbook.observation import Observation
from wsbook.rules.endpoint import judge_endpoint
from wsbook.rules.forwards import judge_forwards
from wsbook.rules.libraries import speaks, versions_meet
from wsbook.rules.pairing import pairs
from wsbook.rules.route_paths import differing, offers_path
from wsbook.target import parse_target

PAGE = "https://shop.test/"


def dials(url: str | None, library: str = "native", path: str | None = None, condition: str = "", **more: object) -> Observation:
    rest = url.split("://", 1)[1] if url else ""
    own = path or ("/" + rest.partition("/")[2] if url else None)
    origin = f"{url.split('://', 1)[0]}://{rest.partition('/')[0]}" if url else None
    facts = EndpointFacts(
        side="frontend", library=library, file="a.ts", line=1, expression=f"new WebSocket({url})", url=url, path=own, origin=origin,
        condition=condition, **more,
    )  # fmt: skip
    return seen(facts, step="1.1", probe="sources", hop="")


def offers(path: str | None, library: str = "fastapi", **more: object) -> Observation:
    facts = EndpointFacts(side="backend", library=library, file="b.py", line=2, expression=f"route {path}", path=path, **more)
    return seen(facts, step="1.1", probe="sources", hop="")


def route(serves: bool | None, arrives: str | None) -> Observation:
    facts = RouteFacts(product="nginx", file="n.conf", line=3, matcher="/", serves=serves, upstream_path=arrives)
    return seen(facts, step="2.2", probe="config", hop="")


def judged(*observations: Observation, page: str = PAGE, url: str = "") -> dict[str, str]:
    found = judge_endpoint(Evidence(parse_target(url, page_url=page), observations))
    return {f.cause: f.verdict.value for f in found}


FAULT, CLEAR, UNKNOWN = Verdict.FAULT.value, Verdict.CLEAR.value, Verdict.UNKNOWN.value
PATH, LIBRARY = "endpoint.wrong-path", "endpoint.protocol-library-mismatch"


@pytest.mark.parametrize(
    ("observations", "expected"),
    [
        ((dials("wss://shop.test/ws"), offers("/ws")), {PATH: CLEAR}),
        ((dials("wss://shop.test/ws"), offers("/api/ws")), {PATH: FAULT}),
        ((dials("wss://shop.test/ws"), offers("/ws/")), {PATH: FAULT}),
        ((answer(301), dials("wss://shop.test/ws"), offers("/ws/")), {"handshake.redirected": FAULT}),
        ((answer(301), dials("wss://shop.test/ws"), offers("/live")), {PATH: FAULT}),
        ((dials("wss://shop.test/ws"), offers("*/ws")), {PATH: CLEAR}),
        ((dials("wss://shop.test/ws"), offers(None, "websockets", port=80)), {PATH: CLEAR}),
        ((dials("wss://shop.test/ws"),), {}),
        ((offers("/ws"),), {}),
        ((dials("wss://shop.test/ws"), offers(None, "docker", port=80)), {}),
        ((dials(None), offers("/ws")), {PATH: UNKNOWN}),
        ((dials("wss://elsewhere.example/ws"), offers("/api/ws")), {}),
        ((dials("wss://api.shop.test/ws"), offers("/api/ws")), {PATH: FAULT}),
        ((dials("wss://shop.test/ws"), offers("/api/ws"), answer(101, url="wss://shop.test/ws")), {}),
        ((dials("wss://shop.test/ws"), dials("wss://shop.test/other"), offers("/ws")), {PATH: CLEAR}),
        ((dials("https://shop.test/socket.io/", "socket.io"), offers("/ws")), {LIBRARY: FAULT}),
        ((dials("https://shop.test/socket.io/", "socket.io", version="3"), offers("/socket.io/", "socket.io", version="4")), {LIBRARY: FAULT}),
        ((dials("https://shop.test/socket.io/", "socket.io", version="3"), offers("/socket.io/", "socket.io", version="3,4")), {PATH: CLEAR}),
        ((dials("https://shop.test/socket.io/", "socket.io"), offers("/socket.io/", "socket.io", version="4")), {PATH: CLEAR}),
        ((dials("wss://shop.test/app/k", "pusher"), offers("/ws")), {}),
        ((dials("ws://shop.test/ws"), offers("/ws")), {"endpoint.mixed-content": FAULT}),
        ((dials("ws://shop.test/ws", condition="not (secure)"), offers("/ws")), {PATH: CLEAR}),
        ((dials("ws://localhost:8000/ws"), offers("/ws")), {"endpoint.localhost-or-internal-address": FAULT}),
        ((dials("ws://localhost:8000/ws", condition="isDev"), offers("/ws")), {PATH: CLEAR}),
    ],
)  # fmt: skip
def test_what_is_dialled_against_what_is_offered(observations: tuple[Observation, ...], expected: dict[str, str]) -> None:
    assert judged(*observations) == expected


@pytest.mark.parametrize(
    ("observations", "url", "expected"),
    [
        ((dials("wss://shop.test/rt/ws"), offers("/ws"), route(True, "/ws")), "wss://shop.test/rt/ws", CLEAR),
        ((dials("wss://shop.test/rt/ws"), offers("/ws"), route(True, "/rt/ws")), "wss://shop.test/rt/ws", FAULT),
        ((dials("wss://shop.test/rt/ws"), offers("/ws"), route(None, "/ws")), "wss://shop.test/rt/ws", FAULT),
        ((dials("wss://shop.test/rt/ws"), offers("/ws"), route(True, "/ws")), "wss://shop.test/other", FAULT),
        ((dials("wss://shop.test/rt/ws"), offers("/ws"), seen(ForwardFacts(product="vite", file="v", line=1, prefix="/rt", upstream="http://b", removed="/rt"), step="1.1")), "", CLEAR),
        ((dials("wss://shop.test/rt/ws"), offers("/ws"), seen(ForwardFacts(product="vite", file="v", line=1, prefix="/rt", upstream="http://b", removed=None), step="1.1")), "", CLEAR),
        ((dials("wss://shop.test/rt/ws"), offers("/ws"), seen(ForwardFacts(product="vite", file="v", line=1, prefix="/x", upstream="http://b"), step="1.1")), "", FAULT),
    ],
)  # fmt: skip
def test_carried_through_a_proxy(observations: tuple[Observation, ...], url: str, expected: str) -> None:
    assert judged(*observations, url=url) == {PATH: expected}


def forward(prefix: str = "/ws", *, websocket: bool | None = True, product: str = "vite") -> Observation:
    facts = ForwardFacts(product=product, file="v.ts", line=4, prefix=prefix, upstream="http://localhost:8000", websocket=websocket)
    return seen(facts, step="1.1", probe="sources", hop="")


LOCAL, LISTENS = "http://localhost:5173/", offers(None, "uvicorn", port=8000)


@pytest.mark.parametrize(
    ("observations", "page", "confidence"),
    [
        ((dials("ws://localhost:5173/ws"), forward(websocket=False), LISTENS), LOCAL, 0.8),
        ((dials("ws://localhost:5173/ws"), forward(), LISTENS), LOCAL, None),
        ((dials("ws://localhost:5173/ws"), forward(websocket=None, product="next"), LISTENS), LOCAL, None),
        ((dials("ws://localhost:5173/ws"), forward("/api"), LISTENS), LOCAL, 0.6),
        ((dials("ws://localhost:5173/ws"), forward("/api")), LOCAL, None),
        ((dials("ws://localhost:5173/ws"), LISTENS), LOCAL, None),
        ((dials("ws://localhost:8000/ws"), forward("/api"), LISTENS), LOCAL, None),
        ((dials("ws://localhost:8000/ws"), forward("/api"), LISTENS), "http://localhost:8000/", None),
        ((dials("wss://shop.test/ws"), forward(websocket=False), LISTENS), PAGE, None),
        ((dials("ws://localhost:5173/ws"), forward(websocket=False), LISTENS, answer(101)), LOCAL, None),
        ((dials(None), forward(websocket=False), LISTENS), LOCAL, None),
        ((forward("/socket.io", websocket=False),), "", 0.62),
        ((forward("/app/ws", websocket=False, product="angular"),), "", 0.62),
        ((forward("/socket.io"),), "", None),
        ((forward("/news", websocket=False),), "", None),
        ((forward(websocket=False, product="next"),), "", None),
        ((forward(websocket=False), dials("wss://rt.test/ws")), "", None),
        ((forward(websocket=False), answer(101)), "", None),
    ],
)
def test_development_servers_pass_upgrades(observations: tuple[Observation, ...], page: str, confidence: float | None) -> None:
    found = list(judge_forwards(Evidence(parse_target("", page_url=page), observations)))
    assert [f.confidence for f in found] == ([] if confidence is None else [confidence])


PORT = "net.not-listening-outside"


@pytest.mark.parametrize(
    ("observations", "page", "expected"),
    [
        ((dials("ws://localhost:9000/ws"), offers("/ws"), offers(None, "uvicorn", port=8000)), "http://localhost:3000/", FAULT),
        ((dials("ws://localhost:8000/ws"), offers("/ws"), offers(None, "uvicorn", port=8000)), "http://localhost:3000/", None),
        ((dials("ws://localhost:3000/ws"), offers("/ws"), offers(None, "uvicorn", port=8000)), "http://localhost:3000/", None),
        ((dials("ws://localhost:9000/ws"), offers("/ws")), "http://localhost:3000/", None),
        ((dials("wss://shop.test:9000/ws"), offers("/ws"), offers(None, "uvicorn", port=8000)), PAGE, UNKNOWN),
        ((dials("wss://shop.test:9000/ws"), offers("/ws"), offers(None, "uvicorn", port=8000), route(None, None)), PAGE, None),
        ((dials("wss://shop.test:8080/ws"), offers("/ws"), offers(None, "compose", port=80, published=8080)), PAGE, None),
        ((dials("wss://shop.test:8000/ws"), offers("/ws"), offers(None, "compose", port=8000, published=9443)), PAGE, FAULT),
        ((offers(None, "uvicorn", port=8000, bind="127.0.0.1"), offers(None, "docker", port=8000)), PAGE, FAULT),
        ((offers(None, "uvicorn", port=8000, bind="127.0.0.1"), offers(None, "docker", port=9000)), PAGE, UNKNOWN),
        ((offers(None, "uvicorn", port=8000, bind="0.0.0.0"), offers(None, "docker", port=8000)), PAGE, None),
        ((offers(None, "uvicorn", port=8000, bind="127.0.0.1"),), PAGE, None),
        ((offers(None, "uvicorn", port=8000, bind="127.0.0.1"), offers(None, "docker", port=8000), answer(101)), PAGE, None),
    ],
)  # fmt: skip
def test_ports_and_addresses(observations: tuple[Observation, ...], page: str, expected: str | None) -> None:
    assert judged(*observations, page=page).get(PORT) == expected


@pytest.mark.parametrize(
    ("url", "tls", "expected"),
    [
        ("wss://localhost:8000/ws", False, "endpoint.tls-to-plain-port"),
        ("ws://localhost:8000/ws", True, "endpoint.plain-to-tls-port"),
        ("ws://localhost:8000/ws", False, None),
        ("wss://localhost:8000/ws", True, None),
        ("wss://localhost:8000/ws", None, None),
        ("wss://localhost:8001/ws", False, None),
    ],
)
def test_tls_of_the_listener(url: str, tls: bool | None, expected: str | None) -> None:
    found = judged(dials(url), offers("/ws"), offers(None, "uvicorn", port=8000, tls=tls), page="http://localhost:3000/")
    assert {cause for cause in found if "tls" in cause} == ({expected} if expected else set())


@pytest.mark.parametrize(
    ("offered", "dialled", "part"),
    [
        ("/ws", "/ws", ""),
        ("/ws/{room}", "/ws/7", ""),
        ("/ws/{room}", "/ws/7/8", "path"),
        ("/ws/{room}", "/ws/", "path"),
        ("/ws/*", "/ws/7/8", ""),
        ("*/ws", "/a/b/ws", ""),
        ("/ws/?", "/ws", ""),
        ("/ws/?", "/ws/", ""),
        ("/ws", "/ws/", "slash"),
        ("/ws/{room}/", "/ws/7", "slash"),
        ("/Live", "/live", "case"),
        ("/rooms/{id}/live", "/rooms/{…}/live", ""),
        ("/api/rooms/{id}", "/rooms/{…}", "path"),
        ("/a.b", "/axb", "path"),
        ("", "/ws", "path"),
        ("(((", "/ws", "path"),
    ],
)
def test_paths(offered: str, dialled: str, part: str) -> None:
    assert differing(offered, dialled) == part
    assert offers_path(offered, dialled) == (part == "")


@pytest.mark.parametrize(
    ("client", "server", "path", "can"),
    [
        ("native", "fastapi", "/ws", True),
        ("native", "socket.io", "/", False),
        ("native", "socket.io", "/socket.io/", True),
        ("native", "sockjs", "/s", False),
        ("native", "sockjs", "/s/websocket", True),
        ("socket.io", "ws", "/socket.io/", False),
        ("graphql-ws", "subscriptions-transport-ws", "/graphql", False),
        ("graphql-ws", "ws", "/graphql", True),
        ("stomp", "spring", "/stomp", True),
        ("brand-new", "brand-new", None, True),
    ],
)
def test_dialects(client: str, server: str, path: str | None, can: bool) -> None:
    assert speaks(client, server, path) is can


def test_majors() -> None:
    assert versions_meet("", "4")
    assert versions_meet("3", "3,4")
    assert not versions_meet("3", "4")


def test_a_client_is_paired_with_the_route_that_it_most_plausibly_means() -> None:
    observations = (
        dials("wss://shop.test/v2/orders/live"),
        offers("/v1/orders/live"),
        offers("/metrics"),
        offers("/socket.io/", "socket.io"),
    )
    (pair,) = pairs(Evidence(parse_target("", page_url=PAGE), observations))
    assert pair.offered is not None
    assert (pair.offered[1].path, pair.differs) == ("/v1/orders/live", ("path",))
