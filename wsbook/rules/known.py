"""What a number alone stands for: the causes of a status and of a socket's age, from symptoms.toml."""

from wsbook.symptoms import ages, symptoms

__all__ = ["causes_of_age", "causes_of_status"]


def causes_of_status(status: int) -> tuple[tuple[str, float], ...]:
    """Return (slug, prior) of the causes that answer an upgrade with this status, likeliest first; () for one that nobody knows."""
    found: dict[str, float] = {}
    for symptom in symptoms().values():
        if status in symptom.status:
            for candidate in symptom.candidates:
                found[candidate.cause] = max(candidate.prior, found.get(candidate.cause, 0.0))
    return tuple(sorted(found.items(), key=lambda entry: -entry[1]))


def causes_of_age(age_s: float, silence_s: float | None) -> tuple[tuple[str, float], ...]:
    """Return (slug, likelihood) of the limits that end sockets at this age, likeliest first.

    silence_s: how long the socket was silent before it ended; None when that is not known. Traffic up to the end rules out idle limits.
    """
    found: dict[str, float] = {}
    for entry in ages():
        busy = silence_s is not None and silence_s < 0.5 * entry.age_s
        if abs(entry.age_s - age_s) > entry.tolerance_s or (entry.needs_silence and busy):
            continue
        likely = entry.weight * (0.4 if entry.needs_silence is False and silence_s is not None and not busy else 1.0)
        found[entry.cause] = max(likely, found.get(entry.cause, 0.0))
    return tuple(sorted(found.items(), key=lambda item: -item[1]))
