"""Whatever was observed, judging it ends in findings of the catalogue and a verdict for every step."""

from datetime import UTC, datetime

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wsbook import facts as f
from wsbook.attempt import (
    CONNECTION_LIST,
    FOREIGN_ORIGIN,
    FORWARDED_HTTPS,
    LARGE_COOKIE,
    NO_ALPN,
    NO_CREDENTIALS,
    NO_ORIGIN,
    NO_SERVER_NAME,
    NO_UPGRADE,
    ONE_ADDRESS,
    ONE_BROKEN,
    OTHER_CASE,
    OTHER_PORT,
    OTHER_VERSION,
    PAGE_SERVER_NAME,
    RANDOM_PATH,
    THE_ENDPOINTS_PATH,
)
from wsbook.causes import causes
from wsbook.evidence import Evidence
from wsbook.finding import STEP_TITLES, Verdict
from wsbook.observation import Failure, Observation, Outcome, Reason, Source, Stage
from wsbook.rules import judge
from wsbook.target import parse_target
from wsbook.wire.dialects.detect import DIALECTS
from wsbook.wire.dialects.refusals import refusals

TARGET = parse_target(
    "wss://shop.test/ws",
    page_url="https://shop.test/",
    headers=["Cookie: a=b"],
    hops=["app=ws://10.0.0.5:8000/ws", "b=ws://10.0.0.6:8000/live"],
)

short = st.text(max_size=12)
seconds = st.floats(0, 1e4, allow_nan=False)
numbers = st.integers(0, 20)
urls = st.sampled_from([TARGET.url, "ws://10.0.0.5:8000/ws", "ws://10.0.0.6:8000/live", "ws://[::1]:1/"])
locations = st.sampled_from(["//[", "https://shop.test/ws", "/login", "//other.test", "http://[::1", "https://shop.test:x/"])
named = st.sampled_from(["Server", "Location", "Via", "Content-Type", "Sec-WebSocket-Version", "Retry-After", "Allow"])
headers = st.lists(st.one_of(st.tuples(st.just("Location"), locations), st.tuples(named, short)), max_size=3).map(tuple)
values = st.one_of(st.none(), st.sampled_from(["absent", "forwarded", "upgrade", "close", "1.0", "1.1", "60", "3600"]))
times = st.lists(st.floats(0, 2e9), max_size=4).map(tuple)
slugs = st.sampled_from(sorted(causes()))


def setting(of: st.SearchStrategy) -> st.SearchStrategy:
    return st.one_of(st.none(), st.builds(f.Setting, value=of, file=short, line=numbers, default=st.booleans()))


fixes = st.builds(f.Fix, causes=st.lists(slugs, min_size=1, max_size=2).map(tuple), changes=st.just(()), diff=short)
requests = st.builds(f.Received, method=short, resource=short, version=short, secure=st.booleans(), headers=headers)
trials = st.builds(
    f.Trial,
    valid=st.sampled_from([None, True, False]),
    complaint=short,
    accepted=st.sampled_from([None, True, False]),
    status=st.sampled_from([None, 101, 426, 502]),
    received=st.one_of(st.none(), requests),
    servers=numbers,
)
stamps = st.sampled_from(["", "2020-01-01T00:00:00Z", "2026-01-03T00:00:00Z", "2030-01-01T00:00:00", "never"])
certificates = st.builds(f.Certificate, subject=short, issuer=short, names=st.lists(short, max_size=2).map(tuple), not_after=stamps)
tls = st.builds(
    f.TlsFacts,
    server_name=short,
    verify_code=st.sampled_from([None, 0, 9, 10, 18, 19, 20, 62, 99]),
    version=st.sampled_from([None, "TLSv1.3"]),
    not_after=stamps,
    chain=st.lists(certificates, max_size=3).map(tuple),
)
checks = st.lists(
    st.builds(f.Check, name=st.sampled_from(["accept", "subprotocol", "extensions", "status"]), ok=st.booleans()), max_size=3
).map(tuple)
names = st.sampled_from(["", "a", "b"])
visits = st.builds(
    f.Visit,
    series=st.sampled_from(["plain", "cookie", "source", "direct"]),
    place=short,
    accepted=st.booleans(),
    instance=names,
    status=st.one_of(st.none(), st.sampled_from([101, 404, 429, 500, 502])),
)
talks = st.builds(
    f.Conversation,
    dialect=st.sampled_from(["engine.io", "sockjs"]),
    series=st.sampled_from(["plain", "cookie"]),
    requests=numbers,
    lost=numbers,
    upgraded=st.sampled_from([None, True, False]),
)
subscribers = st.lists(
    st.builds(
        f.Subscriber,
        index=numbers,
        instance=names,
        received=numbers,
        missed=st.lists(numbers, max_size=4).map(tuple),
        duplicated=st.lists(numbers, max_size=2).map(tuple),
        most_copies=numbers,
    ),
    max_size=4,
).map(tuple)
places = st.lists(
    st.builds(f.Place, name=st.sampled_from(["trigger", "app", "log a", "page frame", "page handler"]), at_s=st.one_of(st.none(), seconds)),
    max_size=5,
).map(tuple)
load_runs = st.lists(
    st.builds(
        f.LoadRun,
        rate=seconds,
        size_bytes=numbers,
        connections=numbers,
        duration_s=seconds,
        sent=numbers,
        received=numbers,
        lost=numbers,
        duplicated=numbers,
        reordered=numbers,
    ),
    max_size=3,
).map(tuple)

messages = st.one_of(
    st.sampled_from(["2", "3", '{"type":"ping"}', '{"type":"subscribe"}', '["1","2","a","phx_error",{}]', '{"a":1}{"b":2}']),
    numbers.map(lambda n: f'{{"seq":{n}}}'),
)
frames = st.builds(
    f.Frame,
    at_s=seconds,
    direction=st.sampled_from(["sent", "received"]),
    opcode=st.sampled_from([1, 1, 2, 9, 10]),
    size_bytes=st.integers(0, 10**6),
    text=messages,
)
frame_trials = st.lists(
    st.builds(f.FrameTrial, name=short, section=short, must=st.booleans(), ok=st.one_of(st.none(), st.booleans()), detail=short), max_size=3
).map(tuple)
streams = st.builds(
    f.Stream,
    agreed=short,
    answered=numbers,
    sent_bytes=numbers,
    received=numbers,
    ended=st.sampled_from(["open", "close", "fin", "rst"]),
    close_code=st.sampled_from([None, 1000, 1002, 1006]),
)
sizes_bytes = st.integers(0, 1 << 21)

any_facts = st.one_of(
    st.none(),
    st.builds(
        f.DialectFacts,
        url=urls,
        dialect=st.sampled_from(DIALECTS),
        basis=st.sampled_from(["said", "asked", "path"]),
        spoken=st.one_of(st.none(), st.booleans()),
        versions=st.lists(st.sampled_from(["3", "4", "graphql-ws"]), max_size=2).map(tuple),
        steps=st.lists(
            st.builds(
                f.DialectStep, name=short, ok=st.one_of(st.none(), st.booleans()), refusal=st.sampled_from(["", "no such", *refusals()])
            ),
            max_size=3,
        ).map(tuple),
        settings=st.lists(st.tuples(st.sampled_from(["heart-beat", "websocket", "transports", "upgrades"]), short), max_size=3).map(tuple),
        pairs=numbers,
        pairs_lost=numbers,
    ),
    st.builds(f.FramingFacts, url=urls, trials=frame_trials, ended_by=short),
    st.builds(
        f.SizeFacts,
        url=urls,
        accepted_bytes=sizes_bytes,
        limit_bytes=sizes_bytes,
        refused_bytes=st.one_of(st.none(), sizes_bytes),
        how=st.sampled_from(["", "close", "rst", "fin", "silence"]),
        close_code=st.sampled_from([None, 1009]),
    ),
    st.builds(f.CompressionFacts, url=urls, offered=short, compressed=streams, plain=st.one_of(st.none(), streams)),
    st.builds(
        f.UpgradeFacts,
        url=urls,
        accepted=st.booleans(),
        status=st.one_of(st.none(), st.integers(100, 599)),
        headers=headers,
        body=short,
        checks=checks,
        tls=st.one_of(st.none(), tls),
        error_text=short,
        raw=short,
        request_headers=headers,
    ),
    st.builds(
        f.SessionFacts,
        url=urls,
        ended=st.sampled_from(["close", "fin", "rst", "silence", "open"]),
        closed_by=st.sampled_from(["", "us", "peer"]),
        close_code=st.one_of(st.none(), st.integers(1000, 4999)),
        close_reason=short,
        age_s=st.one_of(st.none(), seconds),
    ),
    st.builds(
        f.SessionFacts,
        url=urls,
        frames=st.lists(frames, max_size=12).map(tuple),
        frame_count=numbers,
        ended=st.sampled_from(["unknown", "close", "open"]),
        close_code=st.sampled_from([None, 1000, 1006]),
        age_s=st.one_of(st.none(), seconds),
        idle_s=st.one_of(st.none(), seconds),
    ),
    st.builds(
        f.RecordingFacts,
        first_s=st.one_of(st.none(), seconds),
        last_s=st.one_of(st.none(), st.just(2e9)),
        one_browser=st.sampled_from([None, True, False]),
        credentials=st.sampled_from([(), (("shop.test", "cookie"),)]),
        companions=st.lists(st.builds(f.Companion, url=urls, count=numbers, first_s=seconds, last_s=seconds), max_size=2).map(tuple),
        snapshots=st.lists(st.builds(f.Snapshot, url=urls, field=st.just("seq"), number=numbers), max_size=2).map(tuple),
    ),
    st.builds(f.EchoFacts, url=urls, echoes=st.sampled_from([None, True, False])),
    st.builds(f.NameFacts, host=short),
    st.builds(
        f.PortFacts,
        host=short,
        address=st.sampled_from(["10.0.0.1", "::1"]),
        port=st.sampled_from([80, 443]),
        state=st.sampled_from(["open", "filtered"]),
    ),
    st.builds(f.ProxyVariablesFacts, applies=st.booleans()),
    st.builds(
        f.EndpointFacts,
        side=st.sampled_from(["frontend", "backend"]),
        library=st.sampled_from(["native", "socket.io", "ws"]),
        file=short,
        line=numbers,
        expression=short,
        url=st.one_of(st.none(), urls, short),
        path=st.one_of(st.none(), st.sampled_from(["/ws", "/live", "/{id}", "*", "/{…}/?", ""])),
        port=st.one_of(st.none(), st.sampled_from([80, 8000])),
        origin=st.one_of(st.none(), urls, short),
        version=st.sampled_from(["", "3", "3,4"]),
        bind=st.sampled_from(["", "127.0.0.1", "0.0.0.0"]),
        published=st.one_of(st.none(), st.sampled_from([80, 8080])),
        built=st.booleans(),
        tls=st.sampled_from([None, True, False]),
    ),
    st.builds(
        f.ForwardFacts,
        product=short,
        file=short,
        line=numbers,
        prefix=st.sampled_from(["/", "/ws", ""]),
        upstream=short,
        removed=st.sampled_from([None, "", "/ws"]),
    ),
    st.builds(
        f.PatternFacts, pattern=short, cause=slugs, ok=st.booleans(), file=short, line=numbers, excerpt=short, weight=st.floats(0, 1)
    ),
    st.builds(
        f.SignatureFacts,
        signature=short,
        program=short,
        count=numbers,
        text=short,
        times=times,
        causes=st.lists(st.tuples(slugs, st.floats(0, 1)), max_size=3).map(tuple),
    ),
    st.builds(
        f.AccessFacts,
        program=short,
        method=short,
        path=st.sampled_from(["/ws", "/", ""]),
        status=st.integers(0, 599),
        count=numbers,
        durations_s=times,
        times=times,
        termination=st.sampled_from(["", "cD--", "SC--", "x"]),
    ),
    st.builds(f.TextFacts, kind=st.sampled_from(["backend_log", "frontend_source"])),
    st.builds(
        f.RouteFacts,
        product=st.sampled_from(["nginx", "caddy", ""]),
        file=short,
        line=numbers,
        matcher=short,
        serves=st.sampled_from([None, True, False]),
        upgrade=setting(values),
        connection=setting(values),
        http_version=setting(values),
        upstream_path=st.one_of(st.none(), short),
        idle_s=setting(st.sampled_from([None, "60", "3600", "0"])),
        inheritance_lost=st.booleans(),
        fixes=st.lists(fixes, max_size=2).map(tuple),
    ),
    st.builds(
        f.RehearsalFacts, product=short, version=short, file=short, url=urls, diff=short, before=trials, after=st.one_of(st.none(), trials)
    ),
    st.builds(
        f.SuspicionFacts,
        file=short,
        suspicions=st.lists(
            st.builds(
                f.Suspicion,
                setting=short,
                cause=st.sampled_from(sorted(causes())),
                line=st.integers(0, 9),
                excerpt=short,
                weight=st.floats(0, 0.4),
                note=short,
            ),
            max_size=3,
        ).map(tuple),
    ),
    st.builds(
        f.IdleFacts,
        silence_s=seconds,
        traffic=st.sampled_from(["none", "client", "ping", "pong", "listen", "server"]),
        survived=st.booleans(),
        lived_s=seconds,
        ended=st.sampled_from(["fin", "silence", "open", "close"]),
        close_code=st.sampled_from([None, 1001, 4401]),
        age_s=st.one_of(st.none(), seconds),
        interval_s=st.one_of(st.none(), seconds),
        peer_every_s=st.one_of(st.none(), seconds),
        delay_s=st.sampled_from([0.0, 6.0]),
    ),
    st.builds(f.HalfOpenFacts, watched_s=seconds, noticed_s=st.one_of(st.none(), seconds), last_heard_s=st.one_of(st.none(), seconds)),
    st.builds(
        f.HeartbeatFacts,
        answered=st.booleans(),
        dialect=st.sampled_from(["", "stomp", "engine.io"]),
        kind=st.sampled_from(["", "ping", "text"]),
        beats=numbers,
        first_s=st.one_of(st.none(), seconds),
        interval_s=st.one_of(st.none(), seconds),
        announced_s=st.one_of(st.none(), seconds),
        announced_patience_s=st.one_of(st.none(), seconds),
        announced_wanted_s=st.one_of(st.none(), seconds),
        age_s=seconds,
        ended=st.sampled_from(["open", "close", "fin"]),
        patience_s=st.one_of(st.none(), seconds),
    ),
    st.builds(
        f.BroadcastFacts,
        messages=numbers,
        subscribers=subscribers,
        publisher=st.one_of(st.none(), numbers),
        senders=st.lists(st.builds(f.Sender, subscriber=st.one_of(st.none(), numbers), instance=names), max_size=6).map(tuple),
    ),
    st.builds(
        f.AffinityFacts,
        url=urls,
        known_by=names,
        cookies=st.lists(short, max_size=2).map(tuple),
        visits=st.lists(visits, max_size=9).map(tuple),
        conversations=st.lists(talks, max_size=3).map(tuple),
    ),
    st.builds(f.TraceFacts, marker=short, places=places),
    st.builds(
        f.BurstFacts,
        sent=numbers,
        took_s=seconds,
        places=st.lists(
            st.builds(f.BurstPlace, name=short, kind=st.sampled_from(["log", "hop", "endpoint", "frame"]), received=numbers), max_size=3
        ).map(tuple),
    ),
    st.builds(f.ClockFacts, place=short, offset_s=seconds, error_s=seconds, pairs=numbers),
    st.builds(f.LoadFacts, runs=load_runs, void=short),
    st.builds(
        f.PageLoadFacts,
        rate=seconds,
        sent=numbers,
        browser=short,
        moments=st.lists(
            st.builds(f.PageMoment, at_s=seconds, frames=numbers, handled=numbers, shown=numbers, changes=numbers, pictures=numbers),
            max_size=3,
        ).map(tuple),
    ),
    st.builds(f.PageFacts, url=urls, browser=short, console=st.lists(st.tuples(st.just("error"), short), max_size=2).map(tuple)),
    st.builds(
        f.TlsScanFacts,
        host=short,
        port=numbers,
        versions=st.lists(
            st.builds(
                f.VersionTrial, version=st.sampled_from(["TLSv1.0", "TLSv1.2", "TLSv1.3"]), accepted=st.sampled_from([None, True, False])
            ),
            max_size=3,
        ).map(tuple),
        client_certificate=st.sampled_from([None, True, False]),
        refused_after=short,
        tls=st.one_of(st.none(), tls),
    ),
    st.builds(
        f.Http2Facts,
        url=urls,
        spoken=st.booleans(),
        extended_connect=st.sampled_from([None, True, False]),
        status=st.one_of(st.none(), st.integers(100, 599)),
        ended=short,
    ),
    st.builds(
        f.RedirectFacts,
        hops=st.lists(st.builds(f.RedirectHop, url=urls, status=st.just(302), location=st.one_of(short, locations)), max_size=3).map(tuple),
        ended=st.sampled_from(["accepted", "answered", "loop", "too many", "failed", "not followed"]),
        final_url=urls,
        final_status=st.one_of(st.none(), st.integers(100, 599)),
    ),
    st.builds(f.SymptomFacts, text=short, status=st.one_of(st.none(), st.integers(100, 599)), age_s=st.one_of(st.none(), seconds)),
)

labels = st.sampled_from(
    [
        *("", NO_ORIGIN, FOREIGN_ORIGIN, NO_CREDENTIALS, NO_UPGRADE, ONE_BROKEN, RANDOM_PATH, THE_ENDPOINTS_PATH, OTHER_VERSION),
        *(CONNECTION_LIST, FORWARDED_HTTPS, LARGE_COOKIE, NO_ALPN, NO_SERVER_NAME, OTHER_CASE, OTHER_PORT, PAGE_SERVER_NAME),
        *(f"{ONE_ADDRESS}192.0.2.1", f"{ONE_ADDRESS}2001:db8::1"),
    ]
)
failures = st.one_of(
    st.none(),
    st.builds(
        Failure,
        stage=st.sampled_from(["", "resolve", "tcp", "tls", "upgrade", "proxy"]),
        reason=st.sampled_from(list(Reason)),
        message=short,
    ),
)


@st.composite
def observations(draw) -> list[Observation]:
    made = []
    for number in range(draw(st.integers(0, 12))):
        failure = draw(failures)
        label = draw(labels)
        step = draw(st.sampled_from(["0", *STEP_TITLES]))
        source = Source(
            step=step,
            probe=draw(st.sampled_from(["upgrade", "browser", "har", "log"])),
            hop=draw(st.sampled_from(["", "endpoint", "app", "b", "browser"])),
            changed=(label,) if label else (),
            artifact=draw(st.sampled_from(["", "a.log"])),
        )
        outcome = Outcome.ANSWERED if failure is None else draw(st.sampled_from([Outcome.FAILED, Outcome.NOT_RUN]))
        made.append(
            Observation(
                id=f"{step}-{number}",
                source=source,
                observed_at=datetime(2026, 1, 1, tzinfo=UTC),
                duration_s=draw(seconds),
                outcome=outcome,
                facts=draw(any_facts),
                failure=failure,
                stages=(Stage(name="upgrade", started_s=0.0, duration_s=0.1, ok=True),) if draw(st.booleans()) else (),
            )
        )
    return made


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(observations())
def test_judging_always_ends_in_findings_of_the_catalogue(seen: list[Observation]) -> None:
    findings, steps = judge(Evidence(TARGET, seen))
    assert [step.step for step in steps] == list(STEP_TITLES)
    assert all(step.summary for step in steps)
    for finding in findings:
        assert finding.cause in causes()
        assert 0 <= finding.confidence <= 1
        assert finding.summary
        assert not (finding.root and finding.explained_by)
        assert finding.verdict is not Verdict.FAULT or (finding.evidence and finding.remedy and finding.check)
    if any(finding.verdict is Verdict.FAULT for finding in findings):
        assert any(finding.root for finding in findings)
