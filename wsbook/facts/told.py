"""What a person told, and what words alone speak for."""

from msgspec import Struct

__all__ = ["SymptomFacts", "WordsFacts"]


class SymptomFacts(Struct, frozen=True, kw_only=True, tag="symptom"):
    """What a person told. Told, never measured. symptoms: ids in symptoms.toml that the words fit, best first.

    status: HTTP status named; close_code: named; age_s: after how long it fails; share: part of clients or attempts concerned, 0..1;
    place: where (only production, one browser, behind a proxy …), in our words.
    """

    text: str
    symptoms: tuple[str, ...] = ()
    status: int | None = None
    close_code: int | None = None
    age_s: float | None = None
    share: float | None = None
    place: str = ""


class WordsFacts(Struct, frozen=True, kw_only=True, tag="words"):
    """What the words of a fragment speak for, by vocabulary alone. causes: (slug, score 0..1), best first; shared: the words that the
    best one rests on."""

    causes: tuple[tuple[str, float], ...]
    shared: tuple[str, ...] = ()
