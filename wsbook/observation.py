"""The envelope of everything that was seen, by a probe or in a file. Outcome is about the act of looking."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from wsbook.facts import Facts

__all__ = ["Failure", "Observation", "Outcome", "Reason", "Source", "Stage", "not_run", "observed"]


class Outcome(StrEnum):
    """Whether looking worked. An HTTP 403 is ANSWERED."""

    ANSWERED = "answered"
    FAILED = "failed"
    NOT_RUN = "not_run"


class Reason(StrEnum):
    """Why looking did not work."""

    NAME_NOT_FOUND = "name not found"
    NAME_FAILED = "name resolution failed"
    REFUSED = "connection refused"
    TIMEOUT = "timeout"
    RESET = "connection reset"
    CLOSED = "connection closed"
    UNREACHABLE = "network unreachable"
    CERTIFICATE = "certificate not accepted"
    TLS_ALERT = "TLS handshake refused"
    TLS_NOT_SPOKEN = "peer does not speak TLS"
    PROXY_REFUSED = "forward proxy refused"
    MALFORMED = "malformed answer"
    TOO_LARGE = "answer larger than the limit"
    TOOL_MISSING = "tool missing"
    NOT_GIVEN = "not given"
    SKIPPED = "skipped"
    NOT_PERMITTED = "not permitted"
    UNREADABLE = "unreadable"
    OUR_BUG = "error in wsbook"


class Failure(Struct, frozen=True, kw_only=True):
    """Where and why looking failed; message is one sentence for a person."""

    stage: str
    reason: Reason
    message: str


class Stage(Struct, frozen=True, kw_only=True):
    """One phase of an attempt: resolve, tcp, proxy, tls, upgrade, first-message. started_s counts from the attempt's start."""

    name: str
    started_s: float
    duration_s: float
    ok: bool
    detail: str = ""


class Source(Struct, frozen=True, kw_only=True):
    """Where an observation comes from.

    step: the step that looked, such as "1.3". probe: name of the probe or parser.
    hop: "endpoint", a hop's name, or "" where it makes no sense. changed: the attempt's changes against the baseline.
    artifact: path of a file as given, "" for probes; line and line_end: 1-based, 0 where there are none.
    """

    step: str
    probe: str
    hop: str = ""
    changed: tuple[str, ...] = ()
    artifact: str = ""
    line: int = 0
    line_end: int = 0

    @property
    def where(self) -> str:
        """The place in words: file:line, or probe at hop with what was changed."""
        if self.artifact:
            return f"{self.artifact}:{self.line}" if self.line else self.artifact
        return " ".join(filter(None, (self.probe, f"at {self.hop}" if self.hop else "", "; ".join(self.changed))))


class Observation(Struct, frozen=True, kw_only=True):
    """One act of looking: source, instant of its begin (UTC), duration, outcome, what was seen, or why nothing was.

    id: "" until a record numbers it. facts may stand beside a failure: what was learnt before it.
    """

    source: Source
    observed_at: datetime
    duration_s: float = 0.0
    outcome: Outcome = Outcome.ANSWERED
    facts: Facts | None = None
    failure: Failure | None = None
    stages: tuple[Stage, ...] = ()
    id: str = ""

    @property
    def kind(self) -> str:
        """The tag of the facts, "" when there are none."""
        return type(self.facts).__struct_config__.tag if self.facts is not None else ""  # type: ignore[return-value]


def observed(
    source: Source,
    facts: Facts | None,
    *,
    duration_s: float = 0.0,
    failure: Failure | None = None,
    stages: tuple[Stage, ...] = (),
    observed_at: datetime | None = None,
) -> Observation:
    """Return an observation of a look that ends now, or began at observed_at; a failure makes the outcome FAILED."""
    return Observation(
        source=source,
        observed_at=observed_at or datetime.now(UTC) - timedelta(seconds=duration_s),
        duration_s=duration_s,
        outcome=Outcome.FAILED if failure else Outcome.ANSWERED,
        facts=facts,
        failure=failure,
        stages=stages,
    )


def not_run(source: Source, reason: Reason, message: str) -> Observation:
    """Return the observation that nothing was looked at, with the sentence that says why or what to provide."""
    return Observation(
        source=source,
        observed_at=datetime.now(UTC),
        outcome=Outcome.NOT_RUN,
        failure=Failure(stage="", reason=reason, message=message),
    )
