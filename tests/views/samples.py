"""Observations made by hand for the views' tests: one of every kind, and texts that try to break out."""

from datetime import UTC, datetime, timedelta
from typing import Any

from wsbook.facts import (
    AccessFacts,
    AffinityFacts,
    BroadcastFacts,
    BurstFacts,
    BurstPlace,
    Certificate,
    Check,
    ClockFacts,
    CompressionFacts,
    Conversation,
    CorsFacts,
    CorsTrial,
    Credential,
    CredentialFacts,
    CrowdFacts,
    CycleFacts,
    DialectFacts,
    DialectStep,
    EchoFacts,
    EchoTrial,
    EndpointFacts,
    ForwardFacts,
    ForwardProxyFacts,
    Frame,
    FrameTrial,
    FramingFacts,
    HeartbeatFacts,
    Http2Facts,
    IdleFacts,
    InquiryFacts,
    LoadFacts,
    LoadRun,
    Look,
    NameFacts,
    Neighbour,
    OutageFacts,
    PacketFacts,
    PacketTrial,
    PageFacts,
    PageLoadFacts,
    PageMoment,
    PatternFacts,
    Place,
    PortFacts,
    ProxyVariablesFacts,
    PulseFacts,
    Pulses,
    Received,
    Redial,
    RedirectFacts,
    RedirectHop,
    RehearsalFacts,
    RouteFacts,
    Sample,
    SessionFacts,
    Setting,
    SignatureFacts,
    SizeFacts,
    Spell,
    Stream,
    Subscriber,
    SymptomFacts,
    TextFacts,
    TlsFacts,
    TlsScanFacts,
    TraceFacts,
    Trial,
    Tunnel,
    UpgradeFacts,
    VersionTrial,
    Visit,
    Watched,
)
from wsbook.observation import Failure, Observation, Reason, Source, Stage, not_run, observed

HOSTILE = (
    "<img src=x onerror='window.hit=(window.hit||0)+1'><script>window.hit=1</script></script>"
    "<b>$x$ `x` [a](javascript:alert(1)) \u202e\x1b[31m"
)
URL = "ws://shop.example/ws"
AT = datetime(2026, 11, 22, 21, 40, tzinfo=UTC)


def stages(upgrade_ok: bool = True) -> tuple[Stage, ...]:
    return (
        Stage(name="resolve", started_s=0.0, duration_s=0.001, ok=True),
        Stage(name="tcp", started_s=0.001, duration_s=0.002, ok=True),
        Stage(name="upgrade", started_s=0.003, duration_s=0.030, ok=upgrade_ok, detail=HOSTILE),
        Stage(name="first-message", started_s=0.033, duration_s=0.3, ok=False),
    )


def attempt(
    status: int, *changed: str, hop: str = "endpoint", step: str = "1.3", origin: str = "https://shop.example", **more: Any
) -> Observation:
    facts = UpgradeFacts(
        url=URL,
        accepted=status == 101,
        status=status,
        request_headers=(("Origin", origin),),
        headers=(("Server", f"nginx {HOSTILE}"),),
        body=HOSTILE,
        checks=(Check(name="status", ok=status == 101, detail=HOSTILE),),
        commands=(("curl", f"curl -H 'X: {HOSTILE}'"),),
        **more,
    )
    return observed(Source(step=step, probe="upgrade", hop=hop, changed=changed), facts, duration_s=0.333, stages=stages(), observed_at=AT)


def seen(step: str, facts: Any, seconds: float = 1.0, **source: Any) -> Observation:
    return observed(Source(step=step, probe="probe", **source), facts, duration_s=0.1, observed_at=AT + timedelta(seconds=seconds))


def _certificate(text: str) -> Certificate:
    return Certificate(subject=text, issuer=text, names=(text,), not_after=text, key=text, signature=text, issuer_url=text)


def everything(text: str = HOSTILE) -> list[Observation]:
    """Return one observation of every kind, with a text of a peer wherever one may stand."""
    frames = tuple(
        Frame(at_s=i * 0.1, direction="sent" if i % 2 else "received", opcode=(1, 2, 9)[i % 3], size_bytes=10**i, text=text)
        for i in range(6)
    )
    load = tuple(
        LoadRun(
            rate=r,
            size_bytes=64,
            connections=4,
            duration_s=1.0,
            sent=r,
            received=r - 1,
            lost=1,
            duplicated=0,
            reordered=0,
            p50_s=0.001,
            p99_s=0.01,
            max_s=0.1,
        )
        for r in (50, 200)
    )
    return [
        seen("0", SymptomFacts(text=text)),
        seen("0", InquiryFacts(looks=(Look(step="1.3", share=0.4, separates=(text,), began_s=0.1, took_s=1.2, first=text),), sure=text)),
        seen("1.1", EndpointFacts(side="frontend", library=text, file=text, line=3, expression=text, url=text, path=text, condition=text)),
        seen("1.1", EndpointFacts(side="backend", library=text, file=text, line=3, expression=text, path=text, bind=text, version=text)),
        seen("1.1", ForwardFacts(product=text, file=text, line=3, prefix="/", upstream=text, added=text)),
        seen("1.2", PageFacts(url=text, browser="Chromium", status=200, sockets=1, console=(("error", text),), title=text), hop="browser"),
        seen(
            "1.2",
            SessionFacts(
                url=text,
                frames=frames,
                frame_count=6,
                ended="close",
                closed_by="peer",
                close_code=1011,
                close_reason=text,
                age_s=60.1,
                error_text=text,
            ),
        ),
        attempt(400),
        attempt(101, "no Origin"),
        attempt(101, hop="app", step="2.2"),
        seen(
            "1.3",
            EchoFacts(
                url=URL, echoes=True, trials=(EchoTrial(kind="text", size_bytes=9, ok=False, rtt_s=0.001, detail=text),), pings_sent=2
            ),
        ),
        seen(
            "1.3", TlsFacts(server_name=text, subject=text, issuer=text, verify_code=20, verify_message=text, chain=(_certificate(text),))
        ),
        seen(
            "1.3",
            TlsScanFacts(
                host=text,
                port=443,
                versions=(VersionTrial(version="TLSv1.2", accepted=None, detail=text),),
                client_certificate=True,
                client_authorities=(text,),
                refused_after=text,
            ),
        ),
        seen("1.3", Http2Facts(url=f"wss://{text}/", spoken=True, extended_connect=True, body=text, ended=text)),
        seen(
            "1.3",
            RedirectFacts(
                hops=(RedirectHop(url=text, status=302, location=text, withheld=(text,)),), ended="loop", final_url=text, detail=text
            ),
        ),
        seen(
            "1.3",
            DialectFacts(
                url=URL,
                dialect="engine.io",
                why=text,
                steps=(DialectStep(name=text, ok=False, detail=text, status=400, code=5, refusal="engine.io-5"),),
                settings=((text, text),),
                pairs=4,
                pairs_lost=2,
            ),
        ),
        seen("1.3", FramingFacts(url=URL, trials=(FrameTrial(name=text, section="5.4", must=True, ok=None, detail=text),), ended_by=text)),
        seen(
            "1.3",
            SizeFacts(
                url=URL, accepted_bytes=8192, limit_bytes=1 << 20, refused_bytes=8193, how="close", close_code=1009, close_reason=text
            ),
        ),
        seen(
            "1.3",
            CompressionFacts(
                url=URL, offered="permessage-deflate", compressed=Stream(agreed=text, sent_bytes=9), plain=Stream(error_text=text)
            ),
        ),
        seen(
            "1.4",
            SignatureFacts(signature="x", program=text, count=3, text=text, causes=(("net.refused", 0.9),)),
            artifact=f"/var/log/{text}",
            line=7,
        ),
        seen(
            "1.4",
            AccessFacts(
                program="nginx", method="GET", path=text, status=101, count=9, upgrade=True, durations_s=(60.0,) * 8 + (3.0,), text=text
            ),
        ),
        seen("1.4", TextFacts(kind="backend_log", program=text, size_bytes=2048, items=3, unparsed=1)),
        seen("2.1", NameFacts(host=text, addresses=(("ipv4", "192.0.2.1"),))),
        seen("2.1", PortFacts(host=text, address="192.0.2.1", port=443, state="filtered", how=text)),
        seen("2.1", PortFacts(host=text, address="2001:db8::1", port=443, state="open", rtt_s=0.01, afterwards=f"spoke: {text}")),
        seen(
            "2.1",
            ForwardProxyFacts(
                proxy=text,
                source=text,
                kind="http",
                reached=True,
                tunnels=(Tunnel(target="shop.example:443", status=403, reason=text, headers=(("Server", text),), title=text),),
                absolute=Tunnel(target=text, outcome=text),
                product=text,
            ),
        ),
        attempt(403, "through the forward proxy", step="2.1"),
        seen(
            "2.1",
            PacketFacts(
                url=URL,
                patience_s=1.4,
                trials=tuple(
                    PacketTrial(what="message", size_bytes=size, outcome=outcome, detail=text)
                    for size, outcome in ((500, "answered"), (1300, "lost"), (1400, "stalled"))
                ),
            ),
        ),
        seen("2.1", ProxyVariablesFacts(variables=(("https_proxy", text),), applies=True)),
        seen(
            "2.2",
            RouteFacts(
                product="nginx",
                file=text,
                line=14,
                matcher=text,
                serves=True,
                upstream=text,
                upgrade=Setting(value=text),
                idle_s=Setting(value="60"),
            ),
        ),
        seen(
            "2.2",
            RehearsalFacts(
                product="nginx",
                version=text,
                file=text,
                url=URL,
                causes=(text,),
                diff=text,
                before=Trial(valid=True, accepted=False, status=426, received=Received(method="GET", resource=text, version="1.0")),
                after=Trial(valid=False, complaint=text),
                left_out=(text,),
            ),
        ),
        seen("3.1", PatternFacts(pattern="no-close-handler", cause="client.no-reconnect", ok=False, file=text, line=1, excerpt=text)),
        seen(
            "2.2",
            AffinityFacts(
                url="ws://shop.test/ws",
                known_by="header x-instance",
                visits=(
                    *(Visit(series="plain", place="endpoint", accepted=True, instance=(text, "b")[number % 2]) for number in range(6)),
                    Visit(series="plain", place="endpoint", accepted=False, status=502, error=text),
                    Visit(series="direct", place=text, accepted=True, instance="b"),
                ),
                conversations=(Conversation(dialect="engine.io", series="plain", requests=4, lost=2, upgraded=False, said=text),),
            ),
        ),
        seen(
            "3.2",
            BroadcastFacts(
                messages=4,
                subscribers=(Subscriber(index=0, instance=text, received=4), Subscriber(index=1, instance="b", received=2, missed=(1, 2))),
            ),
        ),
        seen(
            "3.2",
            CycleFacts(
                warm_up=8,
                closed=8,
                hung_up=8,
                broken=8,
                at_once=8,
                connect_s=0.01,
                servers=(
                    Watched(
                        how="process",
                        place=text,
                        name=text,
                        processes=1,
                        samples=tuple(
                            Sample(at_s=at, ended=4 * at, held=8 * (at % 2), memory_bytes=30_000_000 + at, descriptors=20 + at)
                            for at in range(8)
                        ),
                    ),
                ),
                why_refused=text,
            ),
        ),
        seen(
            "3.2",
            PulseFacts(
                every_s=0.1,
                duration_s=0.5,
                connections=tuple(
                    Pulses(place=text, instance=text, sent_s=(0.1, 0.2, 0.3), answered_s=(0.101, 0.45, 0.45), acknowledged=(None,) * 3)
                    for _ in range(2)
                ),
                spells=(Spell(name="idle", begin_s=0.0, end_s=0.5),),
                local=(text,),
            ),
        ),
        seen(
            "3.2",
            CrowdFacts(
                kind="reads nothing",
                size_bytes=50_000,
                padded=True,
                neighbours=(Neighbour(index=0, instance=text, before=(0.01,), during=(0.01, 2.0, None)),),
                sent_s=(0.0, 0.1, 0.2),
                released_s=2.0,
            ),
        ),
        seen(
            "3.1",
            OutageFacts(
                url=text,
                way="rst",
                answer="refuse",
                lasted_s=5.0,
                watched_s=9.0,
                redials=(Redial(at_s=0.5, fate="refused", ended_s=0.5), Redial(at_s=6.0, fate="opened")),
                reopened_s=6.0,
                said_before=(text,),
                heard_before=((text, 3),),
                runs_before=1.0,
                runs_after=2.0,
                repeated=((text, 1.0, 2.0),),
                published=(1, 2),
                missed=(2,),
                errors=(text,),
            ),
        ),
        attempt(403, "foreign Origin", step="3.3", origin=text),
        attempt(101, "foreign Origin", "no credentials", step="3.3", origin=text, close_code=4403, close_reason=text),
        seen(
            "3.3",
            CorsFacts(
                url="ws://shop.test/ws",
                dialect=text,
                page_origin=text,
                trials=(
                    CorsTrial(kind="preflight", whose="own", origin=text, method="OPTIONS", status=204, refused=text),
                    CorsTrial(kind="request", whose="foreign", origin=text, method="GET", status=200, headers=(("vary", text),)),
                    CorsTrial(kind="request", whose="own", origin=text, method="GET", error=text),
                ),
            ),
        ),
        seen("3.3", CredentialFacts(url="ws://shop.test/ws", credentials=(Credential(place="query", name=text),))),
        seen("3.4", IdleFacts(silence_s=1.0, traffic="none", survived=True, lived_s=1.0, ended="open"), hop="endpoint"),
        seen("3.4", IdleFacts(silence_s=8.0, traffic="none", survived=False, lived_s=3.0, ended="fin", close_reason=text), hop="endpoint"),
        seen("3.4", IdleFacts(silence_s=8.0, traffic="ping", survived=True, lived_s=8.0, ended="open", interval_s=0.5), hop="endpoint"),
        seen("3.4", IdleFacts(silence_s=8.0, traffic="server", survived=True, lived_s=8.0, ended="open", peer_every_s=0.5), hop=text),
        seen("3.4", HeartbeatFacts(answered=True, kind="ping", beats=3, first_s=2.0, interval_s=2.0, age_s=8.0), hop="endpoint"),
        seen(
            "3.4",
            HeartbeatFacts(
                answered=False,
                kind="ping",
                beats=1,
                first_s=2.0,
                age_s=4.0,
                ended="close",
                close_code=1011,
                close_reason=text,
                patience_s=2.0,
            ),
            hop=text,
        ),
        seen(
            "4.1",
            TraceFacts(
                marker="m",
                places=(Place(name="trigger", at_s=0.0, count=1), Place(name=text, at_s=0.01, count=2), Place(name="dom", at_s=None)),
            ),
        ),
        seen("4.1", BurstFacts(sent=50, took_s=0.1, places=(BurstPlace(name=text, kind="hop", received=40, missing=(3, 4)),))),
        seen("4.1", ClockFacts(place=text, offset_s=0.2, error_s=0.01, pairs=5)),
        seen("4.2", LoadFacts(runs=load)),
        seen(
            "4.2",
            PageLoadFacts(
                rate=200.0,
                sent=400,
                browser=text,
                moments=(PageMoment(at_s=1.0, frames=200, handled=150, shown=90, changes=150, pictures=20),),
            ),
        ),
        observed(Source(step="2.1", probe="tcp"), None, failure=Failure(stage="tcp", reason=Reason.REFUSED, message=text), observed_at=AT),
        not_run(Source(step="3.1", probe="frontend source"), Reason.NOT_GIVEN, text),
    ]
