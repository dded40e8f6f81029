"""The idle ladder as rules read it: which silence ended sockets, how well that is known, and at which place. Judges nothing."""

from collections.abc import Iterable, Sequence
from statistics import median

from msgspec import Struct

from wsbook.evidence import Evidence
from wsbook.facts import IdleFacts, RouteFacts
from wsbook.finding import Proof
from wsbook.observation import Observation
from wsbook.rules.make import proof

__all__ = [
    "ENDINGS",
    "Rung",
    "Silence",
    "age_of",
    "agree",
    "busy_of",
    "configured",
    "longest_silence",
    "rungs_at",
    "say_rungs",
    "silence_at",
]

Rung = tuple[Observation, IdleFacts]

ENDINGS = {"fin": "by FIN", "rst": "by RST", "silence": "without a word", "close": "by a close frame"}
_TRAFFIC = {"client": "with a message of ours each", "ping": "with a ping of ours each", "pong": "with a pong of ours each"}
_CHATTY = ("client", "ping", "pong")
_APART, _APART_S = 0.15, 0.8
"""Silences whose ends differ by more were not ended by one limit."""
_AT_ONCE_S = 0.5


class Silence(Struct, frozen=True, kw_only=True):
    """A limit of silence at one place: it lies between low_s and high_s, best_s is where.

    signed: its end was seen when it happened, so that all three are one. died: the rungs that show it.
    """

    low_s: float
    high_s: float
    signed: bool
    died: tuple[Rung, ...]

    @property
    def best_s(self) -> float:
        """The limit itself where it was seen, else the shortest silence that was too long."""
        return self.high_s

    @property
    def words(self) -> str:
        """The limit in words, with its uncertainty."""
        return f"{self.best_s:.3g} s" if self.signed else f"{self.low_s:.3g} to {self.high_s:.3g} s"

    @property
    def ended(self) -> str:
        """How it ends sockets, as IdleFacts says."""
        return self.died[0][1].ended if self.signed else "silence"

    def is_of(self, other: "Silence") -> bool:
        """Tell whether two places end silence alike."""
        if self.signed and other.signed:
            return abs(self.best_s - other.best_s) <= max(0.35, 0.08 * other.best_s)
        return self.low_s < other.high_s and other.low_s < self.high_s


def agree(rungs: Sequence[Rung]) -> bool:
    """Tell whether silent sockets died after one silence; a busy machine notices late, and nginx counts up to 0.3 s less."""
    lived = [facts.lived_s for _, facts in rungs]
    return not lived or max(lived) - min(lived) <= max(_APART_S, _APART * max(lived))


def rungs_at(evidence: Evidence, hop: str) -> list[Rung]:
    """Return every rung that was tried at a place; a socket that was sent away as soon as it was open tells nothing of silence."""
    every = evidence.of(IdleFacts, where=lambda seen: seen.source.hop == hop)
    return [rung for rung in every if rung[1].survived or age_of(rung[1]) >= _AT_ONCE_S]


def age_of(facts: IdleFacts) -> float:
    """Return how old the connection was at the end of the rung."""
    return facts.age_s if facts.age_s is not None else facts.lived_s


def _is_signed(facts: IdleFacts) -> bool:
    """Tell whether the end was seen when it happened; what our own ping after the silence met, an RST too, was noticed late."""
    return facts.ended != "silence" and facts.lived_s < facts.silence_s


def silence_at(rungs: Iterable[Rung]) -> Silence | None:
    """Return the limit that the silent rungs of one place show, None when silence ended none."""
    silent = [rung for rung in rungs if rung[1].traffic == "none"]
    died = [rung for rung in silent if not rung[1].survived]
    signed = [rung for rung in died if _is_signed(rung[1])]
    if signed:
        limit_s = median(facts.lived_s for _, facts in signed)
        return Silence(low_s=limit_s, high_s=limit_s, signed=True, died=tuple(sorted(signed, key=lambda rung: -rung[1].silence_s)))
    if not died:
        return None
    high_s = min(facts.silence_s for _, facts in died)
    low_s = max((facts.lived_s for _, facts in silent if facts.survived and facts.lived_s < high_s), default=0.0)
    return Silence(low_s=low_s, high_s=high_s, signed=False, died=tuple(sorted(died, key=lambda rung: rung[1].silence_s)))


def longest_silence(rungs: Iterable[Rung]) -> Rung | None:
    """Return the rung with the longest silence that was survived, None when there is none."""
    alive = [rung for rung in rungs if rung[1].survived and rung[1].traffic == "none"]
    return max(alive, key=lambda rung: rung[1].silence_s, default=None)


def busy_of(rungs: Iterable[Rung], *kinds: str) -> list[Rung]:
    """Return the rungs with traffic of these kinds; of ours in general by default."""
    return [rung for rung in rungs if rung[1].traffic in (kinds or _CHATTY)]


def configured(evidence: Evidence, limit: Silence) -> tuple[str, str] | None:
    """Return (product, file:line) of the configured limit nearest to the measured one, None when none fits."""
    limits = [(facts.product, facts.idle_s) for _, facts in evidence.of(RouteFacts) if facts.serves is not False]
    known = [(product, setting, _number(setting.value)) for product, setting in limits if setting and setting.value]
    fitting = [entry for entry in known if entry[2] > 0 and _fits(entry[2], limit)]
    if not fitting:
        return None
    product, setting, _ = min(fitting, key=lambda entry: abs(entry[2] - limit.best_s))
    return product, f"{setting.file}:{setting.line}" if setting.line else ""


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _fits(configured_s: float, limit: Silence) -> bool:
    spare_s = max(0.35, 0.06 * configured_s)
    return limit.low_s - spare_s <= configured_s <= limit.high_s + spare_s


def say_rungs(rungs: Sequence[Rung], most: int = 3) -> list[Proof]:
    """Return what became of rungs, one proof each."""
    return [proof(seen, f"{seen.source.hop}: {_fate(facts)}") for seen, facts in rungs[:most]]


def _fate(facts: IdleFacts) -> str:
    chatty = f" {_TRAFFIC[facts.traffic]} {facts.interval_s:.2g} s" if facts.traffic in _TRAFFIC and facts.interval_s else ""
    speaks = facts.traffic in ("listen", "server") and facts.peer_every_s
    spoken = f" in which the peer spoke every {facts.peer_every_s:.2g} s" if speaks else ""
    of = " of silence" if facts.traffic == "none" else f" of age{chatty}{spoken}"
    if facts.survived:
        return f"survived {facts.lived_s:.3g} s{of}"
    code = f" {facts.close_code} {facts.close_reason}".rstrip() if facts.close_code is not None else ""
    return f"ended {ENDINGS.get(facts.ended, facts.ended)}{code} after {facts.lived_s:.3g} s{of}"
