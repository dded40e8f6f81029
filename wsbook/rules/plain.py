"""ws on plain HTTP fails where wss passes: somebody on the way handles what he can read (area C)."""

import re
from collections.abc import Iterator

from wsbook.attempt import NO_UPGRADE, OTHER_SCHEME
from wsbook.evidence import Evidence
from wsbook.facts import UpgradeFacts
from wsbook.finding import Finding
from wsbook.observation import Reason
from wsbook.rules.make import fault, proof, unknown
from wsbook.rules.outcome import Seen, baseline, inner_hops, say

__all__ = ["judge_plain"]

_SLUG = "net.corporate-proxy-blocks"
_MIDDLE = ("via", "x-cache", "x-cache-lookup", "x-squid-error", "proxy-connection", "x-bluecoat-via", "x-iinfo")
_CLIENT_SIDE = re.compile(
    r"squid|blue ?coat|proxysg|zscaler|websense|forcepoint|mcafee|skyhigh|fortiproxy|ironport|wsa\b|sophos", re.IGNORECASE
)
"""Proxies that stand before clients, not before servers; Squid does either, and before a server it would be on TLS too."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


def judge_plain(evidence: Evidence) -> Iterator[Finding]:
    """Judge a plain endpoint whose upgrade fails while the same with TLS is accepted."""
    plain, secure = baseline(evidence), _secure(evidence)
    if plain is None or secure is None or plain[1].accepted or not plain[1].url.startswith("ws:") or plain[1].status in _REDIRECTS:
        return
    proofs = [proof(plain[0], f"ws: {say(*plain)}"), proof(secure[0], f"wss: {say(*secure)}")]
    words = f"ws:// fails ({say(*plain)}), wss:// to the same host is accepted"
    told = _only_on_plain(plain[1], secure[1])
    if told:
        name, value = told
        ours = bool(_CLIENT_SIDE.search(value)) or name in ("x-squid-error", "x-bluecoat-via")
        found = (
            f"{words}; only the plain answer carries {name}: {value[:60]}, so a proxy on the way handles plain HTTP and loses the upgrade"
        )
        yield (fault if ours else unknown)(_SLUG, 0.96 if ours else 0.4, found, *proofs)
    elif _breaks_upgrades_only(evidence, plain):
        yield fault(_SLUG, 0.6, f"{words}; a plain GET is answered there, so something on the way ends upgrades that it can read", *proofs)
    elif any(seen[1].accepted and seen[1].url.startswith("ws:") for _, seen in inner_hops(evidence)):
        yield unknown(_SLUG, 0.3, f"{words}, and so is the plain one at an inner hop", *proofs)


def _secure(evidence: Evidence) -> Seen | None:
    tried = [seen for seen in evidence.attempts(changed=OTHER_SCHEME) if seen[1].url.startswith("wss:")]
    return next((seen for seen in reversed(tried) if seen[1].accepted), None)


def _only_on_plain(plain: UpgradeFacts, secure: UpgradeFacts) -> tuple[str, str] | None:
    """Return (name, value) of a proxy's header that the answer over TLS lacks."""
    found = ((name, plain.header(name)) for name in _MIDDLE)
    return next(((name, value) for name, value in found if value and secure.header(name) is None), None)


def _breaks_upgrades_only(evidence: Evidence, plain: Seen) -> bool:
    """Whether the plain upgrade was broken off, and a plain GET of the same was answered."""
    failure = plain[0].failure
    broken = failure is not None and failure.stage == "upgrade" and failure.reason in (Reason.RESET, Reason.CLOSED, Reason.TIMEOUT)
    asked = evidence.attempts(changed=NO_UPGRADE)
    return broken and bool(asked) and asked[-1][1].status is not None
