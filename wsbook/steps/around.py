"""What step 1.3 looks at around the one attempt: every address, redirects, the TLS listener, HTTP/2. Judges nothing."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from msgspec.structs import replace

from wsbook.attempt import FORWARDED_HTTPS, OTHER_PORT, Attempt
from wsbook.facts import UpgradeFacts
from wsbook.observation import Observation, Reason
from wsbook.steps.looking import Looking

__all__ = ["look_around"]

_QUICK_S = 1.5
_THOROUGH_S = 4.0
_SLOWER = 3.0
"""An attempt beside others may take this much longer than the baseline took alone."""
_HTTPS = 443

Job = Coroutine[Any, Any, Observation | list[Observation]]


async def look_around(look: Looking, first: Attempt, seen: Observation) -> None:
    """Look at what lies around the baseline attempt and what was seen of it, side by side."""
    from wsbook.probes.experiment import next_second

    quick = look.budget.name == "quick"
    attempt = replace(first, timeout_s=min(first.timeout_s, max(_QUICK_S if quick else _THOROUGH_S, _SLOWER * _answered_s(seen))))
    jobs = [*_addresses_and_redirects(attempt, seen), *_transport(attempt, seen, quick)]
    if look.budget.name == "thorough":
        jobs.append(_with_large_cookie(attempt))
    look.progress("every address, redirects, TLS versions and HTTP/2", 0.5)
    results = await asyncio.gather(*jobs, return_exceptions=True)
    for found in results:
        if not isinstance(found, BaseException):
            look.add(*(found if isinstance(found, list) else [found]))
    if look.target.logs and not (isinstance(seen.facts, UpgradeFacts) and seen.facts.accepted):
        await next_second()  # what other steps ask of a refusing endpoint is not to be taken for these experiments
    for error in results:  # one question that fails stops no other
        if isinstance(error, BaseException):
            raise error


def _answered_s(seen: Observation) -> float:
    """Return how long the answer took, so that a distant endpoint gets its time; 0 when there was none."""
    ends = [stage.started_s + stage.duration_s for stage in seen.stages if stage.name == "upgrade" and stage.ok]
    return max(ends, default=0.0)


def _addresses_and_redirects(attempt: Attempt, seen: Observation) -> list[Job]:
    from wsbook.probes.addresses import probe_addresses
    from wsbook.probes.redirects import follow_redirects
    from wsbook.probes.upgrade import probe_upgrade

    jobs: list[Job] = [probe_addresses(attempt, step="1.3"), follow_redirects(attempt, seen, step="1.3")]
    facts = seen.facts
    if isinstance(facts, UpgradeFacts) and 300 <= (facts.status or 0) < 400:
        told = attempt.change(FORWARDED_HTTPS, headers=(*attempt.headers, ("X-Forwarded-Proto", "https")))
        jobs.append(probe_upgrade(told, step="1.3"))
    return jobs


def _transport(attempt: Attempt, seen: Observation, quick: bool) -> list[Job]:
    """Return what is asked of the listener itself; nothing when it cannot be reached."""
    from wsbook.probes.http2 import probe_http2
    from wsbook.probes.tls_scan import probe_certificate, probe_tls_scan

    endpoint = attempt.endpoint
    stage = seen.failure.stage if seen.failure else ""
    if stage in ("resolve", "tcp", "proxy"):
        return []
    if not endpoint.secure:
        return [] if quick else [probe_http2(attempt, step="1.3")]
    jobs: list[Job] = [probe_tls_scan(attempt, step="1.3")]
    if stage != "tls" or (seen.failure is not None and seen.failure.reason is Reason.TLS_ALERT):
        jobs.append(probe_http2(attempt, step="1.3"))
    if endpoint.port != _HTTPS and not endpoint.is_loopback:
        beside = replace(attempt, url=replace(endpoint, port=_HTTPS).url)
        jobs.append(probe_certificate(beside, step="1.3", label=OTHER_PORT))
    return jobs


async def _with_large_cookie(attempt: Attempt) -> Observation:
    from wsbook.probes.experiment import large_cookie
    from wsbook.probes.upgrade import probe_upgrade

    return await probe_upgrade(large_cookie(attempt), step="1.3")
