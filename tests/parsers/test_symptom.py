"""What people say, read: numbers, places, symptoms, and the causes that it speaks for."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsbook.causes import causes
from wsbook.facts import SymptomFacts
from wsbook.observation import Outcome
from wsbook.parsers.symptom import parse_symptom
from wsbook.symptoms import ages, limits, normalise, symptom_candidates, symptoms


def told(text: str) -> SymptomFacts:
    facts = parse_symptom(text).facts
    assert isinstance(facts, SymptomFacts)
    return facts


def first_three(text: str) -> list[str]:
    return [cause for cause, _ in symptom_candidates(told(text))[:3]]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("404 only in production", 404),
        ("Unexpected response code: 200", 200),
        ("we get a 502 from nginx", 502),
        ("HTTP/1.1 426 Upgrade Required", 426),
        ("everything 500s once it is busy", 500),
        ("502s since the deploy", 502),
        ("curl gives 101 but the browser gets 403", 403),
        ("handshake 101, then nothing", 101),
        ("200 clients can't connect", None),
        ("drops after 300 s", None),
        ("closes after 500s", None),
        ("port 443 is open", None),
        ("connecting to host:502 hangs", None),
        ("300 users online", None),
        ("no numbers at all", None),
    ],
)
def test_status_counts_only_when_said_as_one(text: str, status: int | None) -> None:
    assert told(text).status == status


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1006 after 60 s idle", 1006),
        ("close code: 4001", 4001),
        ("closed with code 1011 (internal error)", 1011),
        ("disconnected 4401", 4401),
        ("1006 in the browser, server says 1009", 1009),
        ("closed with 1000", 1000),
        ("stops at 1000 clients", None),
        ("1024 connections", None),
        ("port 4000 refused", None),
        ("ws://localhost:3001 fails", None),
    ],
)
def test_close_code_counts_only_when_said_as_one(text: str, code: int | None) -> None:
    assert told(text).close_code == code


@pytest.mark.parametrize(
    ("text", "age_s"),
    [
        ("1006 after 60 s idle", 60),
        ("drops every 60s", 60),
        ("idle for 5 mins then gone", 300),
        ("closes after a minute", 60),
        ("after a minute and a half it dies", 90),
        ("cut after 1m30s", 90),
        ("dies after ~50sec", 50),
        ("websocket drops after half an hour", 1800),
        ("web socket disconects evry 60 secs", 60),
        ("reconnects every minute", 60),
        ("killed in 30000 ms", 30),
        ("fails after two hours", 7200),
        ("60-second idle timeout", 60),
        ("ping every 25 seconds but drops after 55s", 55),
        ("messages every 10 s, closes after 60s", 60),
        ("ping interval 25s", None),
        ("proxy_read_timeout is 3600s", None),
        ("updates are delayed by 5 seconds", None),
        ("closes after 2-3 minutes", None),
        ("drops after 2, 3 or 4 minutes", None),
        ("every second client gets nothing", None),
        ("we added a second domain and it fails", None),
        ("it has been failing for 3 days", None),
        ("ends up as wss://undefined/ws", None),
    ],
)
def test_age_is_a_duration_until_the_end(text: str, age_s: float | None) -> None:
    assert told(text).age_s == age_s


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("every second client gets nothing", 0.5),
        ("half of our users miss it", 0.5),
        ("1 in 3 connections fails", 0.3333),
        ("3 of 4 clients miss every broadcast", 0.75),
        ("one out of four requests", 0.25),
        ("20% of users", 0.2),
        ("every other request", 0.5),
        ("some users never see it", 0.3),
        ("all clients drop", 1.0),
        ("a few customers", 0.1),
        ("5 in 3 clients", None),
        ("it fails", None),
    ],
)
def test_share(text: str, share: float | None) -> None:
    assert told(text).share == share


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("404 only in production", "only in production"),
        ("works locally", "only in production"),
        ("only firefox fails", "only Firefox"),
        ("Chrome works, Firefox not", "only Firefox"),
        ("fails behind nginx", "only behind a proxy"),
        ("breaks on mobile", "on mobile"),
        ("only https", "only over https"),
        ("blocked inside the company network", "only from one network"),
        ("wscat works but the browser gets 403", "only browsers, programs are fine"),
        ("only logged in users", "only logged-in users"),
        ("it fails", ""),
    ],
)
def test_place(text: str, place: str) -> None:
    assert place in told(text).place
    assert bool(place) == bool(told(text).place)


@pytest.mark.parametrize(
    ("text", "symptom"),
    [
        ("WebSocket is closed before the connection is established", "closed-before-established"),
        ("bad request on the upgrade", "handshake-400"),
        ("403 forbiden", "handshake-403"),
        ("got a 404", "handshake-404"),
        ("we get the html page instead", "handshake-200"),
        ("it answers with a 302", "handshake-redirect"),
        ("405 method not allowed", "handshake-405-426"),
        ("request header too large", "handshake-headers-too-large"),
        ("internal server error on connect", "handshake-500"),
        ("bad gateway", "handshake-502"),
        ("service unavailable", "handshake-503"),
        ("stuck in connecting", "handshake-504"),
        ("connection refused", "refused-timeout-reset"),
        ("certificate not trusted", "certificate-only-wss"),
        ("works over http but not over https", "http-works-https-fails"),
        ("works on my machine, not on the server", "local-works-production-fails"),
        ("only some users cannot connect", "only-some-users-or-browsers"),
        ("fails once more than 500 users are online", "fails-above-n-connections"),
        ("drops after 60s idle", "closed-constant-age"),
        ("disconnects randomly", "closed-random-age"),
        ("closes immediately after open", "drops-right-after-open"),
        ("closed with code 1011", "close-code-told"),
        ("dead after the laptop wakes up", "drops-hidden-tab-or-sleep"),
        ("connected but no updates arrive", "connected-no-updates"),
        ("half of the clients get nothing", "only-some-clients-updated"),
        ("some messages are missing", "messages-missing"),
        ("every message arrives twice", "duplicates"),
        ("shows old values", "stale-values"),
        ("works every second time", "every-second-attempt"),
        ("the tab freezes", "page-freezes"),
        ("server memory grows", "latency-or-memory-grows"),
        ("reconnect storm after the outage", "reconnect-storm"),
    ],
)
def test_every_symptom_is_found_by_plain_words(text: str, symptom: str) -> None:
    assert symptom in told(text).symptoms[:2]


PHRASINGS = [
    ("chat widget dead since we switched the shop to https", "endpoint.mixed-content"),
    ("connection string ends up as wss://undefined/ws, invalid url", "endpoint.url-invalid"),
    ("deployed the frontend and every browser still connects to localhost:3001", "endpoint.localhost-or-internal-address"),
    ("ValueError No route found for path 'ws/chat/5'", "endpoint.wrong-path"),
    ("using native WebSocket in the browser against a socket.io server", "endpoint.protocol-library-mismatch"),
    ("refused to connect because it violates the Content Security Policy", "browser.csp-connect-src"),
    ("works in incognito, not with my ad blocker", "browser.blocked-by-policy"),
    ("after opening the app in 7 tabs the 7th never loads", "browser.connection-limit"),
    ("dropped when the user leaves the tab in the background for five minutes", "browser.background-tab-throttling"),
    ("on iPhone when I lock the screen and come back nothing arrives", "browser.page-lifecycle-kill"),
    ("getaddrinfo ENOTFOUND ws.example.com", "net.dns-wrong"),
    ("only people with IPv6 get timeouts", "net.ipv6"),
    ("works inside the container, connection refused from my host", "net.not-listening-outside"),
    ("port 9001 is filtered by the security group", "net.firewall-filtered"),
    ("customers at a bank can't connect, they sit behind a web proxy", "net.corporate-proxy-blocks"),
    ("works everywhere except on two PCs with Kaspersky", "net.tls-interception"),
    ("over wireguard small messages pass, big ones hang", "net.mtu-blackhole"),
    ("all clients fail with certificate has expired", "tls.cert-expired"),
    ("our self signed certificate fails silently for wss", "tls.self-signed"),
    ("chrome is fine, python says unable to get local issuer certificate", "tls.incomplete-chain"),
    ("after enabling http2 websockets stopped working in Firefox", "tls.alpn-h2-negotiated"),
    ("websocket not working behind nginx, direct IP of the server works", "proxy.upgrade-header-missing"),
    ("unexpected response code: 426 with nginx in front", "proxy.upgrade-header-missing"),
    ("added one proxy_set_header to the location and websockets broke", "proxy.set-header-inheritance-lost"),
    ("the upgrade request gets our index.html back with 200", "proxy.ws-location-missing"),
    ("nginx strips the prefix so the route is not matched", "proxy.path-rewrite-wrong"),
    ("endless redirect to https behind traefik, app thinks it is http", "proxy.forwarded-headers-wrong"),
    ("nginx closes websocket after 60 seconds", "proxy.idle-timeout-nginx"),
    ("connections through haproxy drop after 50 seconds of inactivity", "proxy.idle-timeout-haproxy"),
    ("istio gateway kills the websocket after 5 min idle", "proxy.idle-timeout-envoy"),
    ("cloudflare disconnects idle websocket after 100s", "proxy.idle-timeout-cloud"),
    ("caddy closes the websocket after 2 min idle", "proxy.idle-timeout"),
    ("behind a NAT router it silently dies after some idle time, the next send fails", "proxy.idle-timeout-silent"),
    ("on GKE cut after exactly 30 seconds even though messages flow all the time", "proxy.max-lifetime"),
    ("updated traefik and websockets close, rolling back fixes it", "proxy.version-regression"),
    ("Azure app service returns 503 on the websocket, http is ok", "proxy.websocket-support-disabled"),
    ("behind AWS classic load balancer the upgrade header disappears", "proxy.hop-lacks-websocket-support"),
    ("modsecurity blocks socket.io polling with 403", "proxy.security-layer-blocks"),
    ("annotation has no effect on the ingress", "proxy.k8s-annotation-ignored"),
    ("502 bad gateway after redeploying the container until I restart nginx", "proxy.upstream-unreachable"),
    ("SSE events arrive only when the connection closes", "proxy.buffering"),
    ("every time we deploy all users get disconnected at once", "lifecycle.restart-drops"),
    ("handshake gets a 302 to /login", "handshake.redirected"),
    ("users with lots of cookies get 431", "handshake.headers-too-large"),
    ("stays pending for ages, then opening handshake has timed out", "handshake.timeout"),
    ("session cookie is not sent with the websocket request", "auth.credential-not-sent"),
    ("jwt expires, reconnect keeps using the old token", "auth.token-expired-on-reconnect"),
    ("works in postman but the browser gets 403", "origin.not-in-allowlist"),
    ("jupyter kernel can't connect behind apache, 403", "origin.proxy-rewrites-host"),
    ("graphql subscription closes with 4406", "subprotocol.mismatch"),
    ("connects, then Invalid frame header", "frame.compression-broken"),
    ("disconnects whenever I send a big json", "frame.message-too-big"),
    ("onmessage gives me [object Blob] instead of text", "message.format-mismatch"),
    ("chat messages sometimes appear in the wrong order", "message.out-of-order"),
    ("client refetches after the event and still gets the old data", "message.published-before-commit"),
    ("uvicorn in the slim image answers 404 for websocket", "backend.ws-library-missing"),
    ("django runserver doesn't handle ws://, 404", "backend.wrong-server-type"),
    ("all clients hang while one user generates a report", "backend.blocking-call-in-event-loop"),
    ("when one user closes the tab nobody else receives broadcasts", "backend.exception-kills-broadcast"),
    ("nobody gets updates until I restart the server, sockets are still up", "backend.background-task-died"),
    ("socket.io on 3 pods gives 400 Session ID unknown", "cluster.no-sticky-session"),
    ("half of the users don't see new messages since we run two replicas", "cluster.no-pubsub-across-workers"),
    ("emit from celery task never reaches the browser", "cluster.pubsub-misconfigured"),
    ("the welcome message sent on connect is never received", "client.listener-attached-late"),
    ("after a few reconnects every message is printed multiple times", "client.duplicate-listeners"),
    ("react app opens two websocket connections on load", "client.double-connect"),
    ("event is in the network tab but the listen callback is not called", "client.wrong-event-name"),
    ("after reconnect the room messages no longer arrive", "client.no-resubscribe-after-reconnect"),
    ("messages sent during a short disconnect are lost", "client.no-catch-up-after-reconnect"),
    ("client does not reconnect after server restart", "client.no-reconnect"),
    ("clients hammer the server with reconnect attempts every 100ms", "client.reconnect-no-backoff"),
    ("browser tab becomes unresponsive with a high rate of ticks", "client.render-per-message"),
    ("laptop resumes from sleep, UI says online but nothing comes in", "heartbeat.none-half-open"),
    ("ping timeout while uploading a file", "heartbeat.timeout-too-short"),
    ("more than 500 users can't connect, worker_connections are not enough", "load.connection-cap"),
    ("accept: too many open files", "load.fd-limit-or-leak"),
    ("429 when the whole office connects at the same time", "load.rate-limited"),
    ("the page is served over https and ws to the same server does nothing", "endpoint.mixed-content"),
    ("after each outage there is a flood of connections in the same second", "client.reconnect-no-backoff"),
    ("our envoy answers 403 to upgrades and nothing never reaches the backend", "proxy.websocket-support-disabled"),
    ("connections go dead after a few minutes without traffic, no error on either side", "proxy.idle-timeout-silent"),
    ("same config, but since updating the proxy from 2.1 to 2.2 upgrades are refused", "proxy.version-regression"),
    ("app on android says insecure connections are forbidden", "client.insecure-url"),
    ("leftover sockets from pages that were left long ago", "client.double-connect"),
    ("after I select another room the previous room's messages fill the list", "client.stale-closure"),
    ("sockets fail as long as a user is signed in, after signing out they connect", "handshake.headers-too-large"),
    ("while one client waits for its report everybody else is stuck", "backend.blocking-call-in-event-loop"),
    ("wifi is pulled and the server never notices that the client is gone", "heartbeat.none-half-open"),
    ("the backlog of a phone in a pocket grows without limit until the process is killed", "load.slow-consumer-no-backpressure"),
    ("socket.io and our own ws server share the port, now invalid websocket frame", "backend.multiple-upgrade-handlers"),
    ("with a second worker the handshake fails with 400", "cluster.no-sticky-session"),
    ("constructor throws and nothing shows in the network tab", "endpoint.url-invalid"),
    ("QueuePool limit reached once 15 websockets are open", "load.db-pool-held-by-socket"),
]


@pytest.mark.parametrize(("text", "cause"), PHRASINGS)
def test_the_cause_is_among_the_first_three(text: str, cause: str) -> None:
    assert cause in first_three(text)


@pytest.mark.parametrize(
    ("careful", "careless"),
    [
        ("websocket disconnects after 60 seconds", "Web-Socket disconects after 60 SEC !!!"),
        ("connection refused in kubernetes", "connction refused in k8s"),
        ("messages are not received", "mesages arent recieved"),
        ("works locally, fails in production", "Works localy. fails in prod"),
    ],
)
def test_misspellings_change_nothing_that_matters(careful: str, careless: str) -> None:
    assert told(careless).symptoms[:1] == told(careful).symptoms[:1] != ()


def test_age_and_silence_choose_between_limits() -> None:
    idle = dict(symptom_candidates(told("closed after 60 s of silence")))
    active = dict(symptom_candidates(told("closed after 60 s even when messages are flowing")))
    assert idle["proxy.idle-timeout-nginx"] > active["proxy.idle-timeout-nginx"]
    assert idle["backend.request-timeout-on-socket"] < active["backend.request-timeout-on-socket"]


def test_another_products_causes_step_back() -> None:
    named = dict(symptom_candidates(told("haproxy: connection drops after 60 s idle")))
    assert named["proxy.idle-timeout-haproxy"] > named["proxy.idle-timeout-nginx"]


def test_a_symptom_chosen_from_the_list_needs_no_words() -> None:
    chosen = symptom_candidates(SymptomFacts(text="", symptoms=("duplicates",)))
    assert chosen[0][0] == "client.duplicate-listeners"


def test_nothing_said_gives_no_candidates() -> None:
    assert symptom_candidates(told("")) == ()
    assert told("").symptoms == ()


def test_the_observation_says_where_it_comes_from() -> None:
    seen = parse_symptom("404", step="1.1")
    assert (seen.source.step, seen.source.probe, seen.outcome) == ("1.1", "symptom", Outcome.ANSWERED)


def test_the_book_names_known_causes_in_known_ways() -> None:
    assert len(symptoms()) == 35  # those of the catalogue, what people also see, and one for who says nothing more
    for symptom in symptoms().values():
        assert symptom.title
        assert symptom.strong or symptom.status or symptom.close_codes
        assert len({c.cause for c in symptom.candidates}) == len(symptom.candidates) >= 2
        for candidate in symptom.candidates:
            assert candidate.cause in causes()
            assert 0 < candidate.prior < 1
            assert len(candidate.test) > 15
    assert {age.cause for age in ages()} | {limit.cause for limit in limits()} <= set(causes())
    assert [age.age_s for age in ages()] == sorted(age.age_s for age in ages())
    assert [limit.count for limit in limits()] == sorted(limit.count for limit in limits())


def test_every_cause_can_be_reached_by_words() -> None:
    from wsbook.symptoms import _book

    assert set(_book().hints) == set(causes())
    for place in _book().places:
        assert set(place.causes) <= set(causes())
    for close in _book().closes:
        assert set(close.causes) <= set(causes())
    for product in _book().products.values():
        assert set(product.causes) <= set(causes())


@pytest.mark.parametrize(
    "text", ["messages first never only some clients " * 400, "after 60 minutes " * 900, "9" * 20_000, "_-" * 9_000, "\ufdfa" * 10_000]
)
def test_long_hostile_text_is_bounded(text: str) -> None:
    started = time.process_time()
    facts = told(text)
    symptom_candidates(facts)
    assert len(facts.text) <= 10_000
    assert len(normalise(text)) <= 10_000
    assert time.process_time() - started < 5.0


SAID = "websocket after 60 s idle 1006 404 code every second client nginx half never ''_- in production a m h % 1/3 \x00 é"
WORDS = st.sampled_from(SAID.split())


@settings(max_examples=30, deadline=None)
@given(st.one_of(st.text(max_size=300), st.lists(WORDS, max_size=40).map(" ".join)))
def test_any_text_gives_values_in_range(text: str) -> None:
    facts = told(text)
    assert facts.text == text
    assert facts.status is None or 100 <= facts.status <= 599
    assert facts.close_code is None or 1000 <= facts.close_code <= 4999
    assert facts.age_s is None or 0 < facts.age_s < 1e11
    assert facts.share is None or 0 < facts.share <= 1
    assert set(facts.symptoms) <= set(symptoms())
    candidates = symptom_candidates(facts)
    assert len(candidates) <= 20
    assert {cause for cause, _ in candidates} <= set(causes())
    scores = [score for _, score in candidates]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score <= 1 for score in scores)
