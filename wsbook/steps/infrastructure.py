"""Step 2.2: the proxies between the page and the application."""

import re
from functools import partial

from wsbook.errors import UnreadableInputError
from wsbook.evidence import Evidence
from wsbook.observation import Observation
from wsbook.steps.hops import look_hops
from wsbook.steps.looking import Looking, read
from wsbook.steps.rehearsing import rehearse
from wsbook.target import Endpoint, Target

__all__ = ["look_proxies"]

_NAMED = re.compile(r"([a-z][\w-]{1,20})/(\d+(?:\.\d+){1,3})")


async def look_proxies(look: Looking) -> None:
    """Read the proxies' configurations, prove what is to be changed in them, make the same attempt at every hop."""
    versions = _versions(look.evidence)
    for path in look.target.configs:
        await read(look, "2.2", path, partial(_read_config, path, look.target, versions))
    await rehearse(look, look.evidence.observations)
    await look_hops(look)


def _read_config(path: str, target: Target, versions: dict[str, str]) -> list[Observation]:
    """Return what a configuration does with the URL that reaches it: that of the endpoint, or of the hop whose port it listens at."""
    from wsbook.parsers.read import read_artifact

    if target.endpoint is None:
        return read_artifact(path, step="2.2", versions=versions)
    place = _place(path, target, target.endpoint)
    return read_artifact(path, step="2.2", endpoint_path=place.path, endpoint_host=place.host, endpoint_port=place.port, versions=versions)


def _place(path: str, target: Target, endpoint: Endpoint) -> Endpoint:
    """Return the place that a configuration serves: the outermost whose port it listens at, the endpoint where that does not tell."""
    from wsbook.parsers.proxies.listening import ports_of_file
    from wsbook.target import parse_endpoint

    try:
        ports = ports_of_file(path)
    except UnreadableInputError:  # whoever reads it says so
        return endpoint
    places = [endpoint, *(parse_endpoint(hop.url) for hop in reversed(target.hops))]
    return next((place for place in places if place.port in ports), endpoint)


def _versions(evidence: Evidence) -> dict[str, str]:
    """Return the versions of programs that name themselves in answers; none of a program that two places name differently."""
    found: dict[str, set[str]] = {}
    for _, facts in evidence.upgrades:
        for name, version in _NAMED.findall(" ".join((facts.header("server") or "", facts.header("via") or ""))[:300].lower()):
            found.setdefault(name, set()).add(version)
    return {name: versions.pop() for name, versions in found.items() if len(versions) == 1}
