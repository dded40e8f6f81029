"""Whether a place may be burdened: with many connections, many messages, or a client that behaves badly.

This module must not know what the burden is.
"""

from collections.abc import Iterable

from wsbook.attempt import Attempt
from wsbook.observation import Observation, Reason, Source, not_run
from wsbook.target import parse_endpoint

__all__ = ["is_local", "may_burden", "refused"]


def is_local(attempt: Attempt) -> bool:
    """Tell whether an attempt stays on this machine: to a loopback address, through no forward proxy but one of this machine."""
    if attempt.via is not None and not parse_endpoint(attempt.via, ("http", "https")).is_loopback:
        return False
    return attempt.endpoint.is_loopback


def may_burden(attempts: Iterable[Attempt], owned: bool) -> bool:
    """Tell whether every one of these places may be burdened. owned: the user says that the target is theirs."""
    return owned or all(is_local(attempt) for attempt in attempts)


def refused(source: Source, what: str) -> Observation:
    """Return that a burden was not sent. what: in the plural, at the beginning of a sentence."""
    words = f"{what} go only to loopback addresses, or when you say that the target is yours: --i-own-this (owned in the notebooks)"
    return not_run(source, Reason.NOT_PERMITTED, words)
