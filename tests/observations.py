"""Hand-made observations for the tests of rules: short to write, as probes and parsers would make them."""

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import count

from wsbook.attempt import FOREIGN_ORIGIN
from wsbook.evidence import Evidence
from wsbook.facts import Check, Facts, Headers, HeartbeatFacts, IdleFacts, TlsFacts, UpgradeFacts
from wsbook.finding import Finding, Verdict
from wsbook.observation import Failure, Observation, Outcome, Reason, Source, Stage
from wsbook.rules import judge
from wsbook.target import Target, parse_target

_numbers = count(1)

TARGET = parse_target("ws://shop.test/ws", page_url="http://shop.test/", hops=["app=ws://10.0.0.5:8000/ws"])
FOREIGN = FOREIGN_ORIGIN


def seen(
    facts: Facts | None,
    *,
    step: str = "1.3",
    probe: str = "upgrade",
    hop: str = "endpoint",
    changed: str = "",
    failure: Failure | None = None,
) -> Observation:
    """Return an observation with a fresh id, one millisecond long."""
    return Observation(
        id=f"{step}-{next(_numbers)}",
        source=Source(step=step, probe=probe, hop=hop, changed=(changed,) if changed else ()),
        observed_at=datetime.now(UTC),
        duration_s=0.001,
        outcome=Outcome.FAILED if failure else Outcome.ANSWERED,
        facts=facts,
        failure=failure,
        stages=(Stage(name="upgrade", started_s=0.0, duration_s=0.001, ok=failure is None),),
    )


def answer(
    status: int,
    *,
    hop: str = "endpoint",
    changed: str = "",
    step: str = "",
    url: str = "",
    body: str = "",
    headers: Headers = (),
    request_headers: Headers = (),
    wrong: Iterable[str] = (),
    probe: str = "upgrade",
    error_text: str = "",
) -> Observation:
    """Return an upgrade that was answered; 101 without wrong checks is accepted."""
    checks = tuple(Check(name=name, ok=False, detail=f"{name} is wrong") for name in wrong)
    facts = UpgradeFacts(
        url=url or (TARGET.url if hop != "app" else TARGET.hops[0].url),
        accepted=status == 101 and not checks,
        status=status,
        headers=headers,
        request_headers=request_headers,
        body=body,
        checks=checks,
        error_text=error_text,
    )
    return seen(facts, hop=hop, changed=changed, step=step or ("1.3" if hop == "endpoint" else "2.2"), probe=probe)


def failed(
    stage: str,
    reason: Reason,
    *,
    hop: str = "endpoint",
    message: str = "",
    tls: TlsFacts | None = None,
    raw: str = "",
    url: str = "",
    changed: str = "",
) -> Observation:
    """Return an upgrade that got no answer."""
    facts = UpgradeFacts(url=url or (TARGET.url if hop != "app" else TARGET.hops[0].url), accepted=False, tls=tls, raw=raw)
    failure = Failure(stage=stage, reason=reason, message=message or reason.value)
    return seen(facts, hop=hop, failure=failure, changed=changed, step="1.3" if hop == "endpoint" else "2.2")


def rung(
    hop: str, silence_s: float, lived_s: float | None = None, *, traffic: str = "none", ended: str = "fin", **more: object
) -> Observation:
    """Return one rung of the idle ladder; lived_s None means that it survived. more: other fields of IdleFacts."""
    facts = IdleFacts(
        silence_s=silence_s,
        traffic=traffic,
        survived=lived_s is None,
        lived_s=silence_s if lived_s is None else lived_s,
        ended="open" if lived_s is None else ended,
        **more,  # type: ignore[arg-type]
    )
    return seen(facts, step="3.4", probe="idle", hop=hop)


def beats(hop: str = "endpoint", *, answered: bool = True, **more: object) -> Observation:
    """Return what was heard of a peer's heartbeats; more: fields of HeartbeatFacts."""
    return seen(HeartbeatFacts(answered=answered, **more), step="3.4", probe="heartbeat", hop=hop)  # type: ignore[arg-type]


def findings(*observations: Observation, target: Target = TARGET) -> tuple[Finding, ...]:
    """Return what the rules find."""
    return judge(Evidence(target, observations))[0]


def roots(*observations: Observation, target: Target = TARGET) -> list[str]:
    """Return the slugs of the root causes that are faults, surest first."""
    return [found.cause for found in findings(*observations, target=target) if found.root and found.verdict is Verdict.FAULT]


def verdicts(*observations: Observation, target: Target = TARGET) -> dict[str, str]:
    """Return the verdict of each step."""
    return {step.step: step.verdict.value for step in judge(Evidence(target, observations))[1]}
