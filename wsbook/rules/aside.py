"""Which texts of a log tell of something other than its WebSockets: of other requests, or of other services of the same machine."""

import re
from collections.abc import Callable

from wsbook.evidence import Evidence
from wsbook.facts import AccessFacts, ClosingsFacts, SessionFacts, SignatureFacts
from wsbook.observation import Observation
from wsbook.signs import is_socket_path

__all__ = ["asides"]

_PATH = re.compile(
    r"\b(?P<method>GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) (?:https?://[^/\s]{1,200})?(?P<path>/[^\s\"'?,;)]{0,300})"
    r"|\b(?:path|uri|url)[\"']?[=:] ?[\"']?(?P<named>/[^\s\"'?,;)]{0,300})"
    r"|\): (?P<last>/[^\s\"'?,;)]{0,300})$"
)
_METHOD = re.compile(r"\bmethod\"?[=:] ?\"?(POST|PUT|PATCH|DELETE|HEAD|OPTIONS)\b")
_REALTIME = re.compile(
    r"(?i)sock|\bws|event|push|publi|broadcast|hub|live|stream|auth|negotiat|poll|sync|notif|messag|send|emit|chat|feed|EIO="
)
_FILE = re.compile(r"(?i)\.(?:html?|css|m?js|map|json|xml|txt|csv|pdf|zip|png|jpe?g|gif|svg|ico|webp|woff2?|php|aspx?)$")
_NEVER_OPENS = frozenset({"backend.ws-library-missing", "backend.wrong-server-type", "proxy.apache-wstunnel-not-loaded"})
"""Causes with which no socket at all opens."""
_FORM = re.compile(r"(?i)/(?:log-?in|log-?out|sign-?in|sign-?up|register|password|wp-)")
"""Forms that visitors fill in."""
_GREETING, _SPOKEN = "eio-body-not-json", "engine-io-spoken"
"""Signatures: Engine.IO's open packet, and a client that asked for it."""
_PLAIN, _BY_HAND = "upgrade-header-absent", "favicon-asked"
"""Signatures: a request without an upgrade, and somebody who types addresses into a browser."""
_ON_THE_WAY = re.compile(r"(?i)websocket|upgrad|\bws\b|wss?:")
_AFTER_THE_101 = re.compile(r"unauthorized connection attempt was rejected")
"""Action Cable and its kin accept the upgrade and refuse the client then."""


def asides(evidence: Evidence) -> Callable[[Observation, SignatureFacts, str], bool]:
    """Return the question whether a text, taken for this cause, is about something other than WebSockets.

    It is when it is the greeting that its client asked for, or a plain request of somebody who typed the address; when it names a file,
    a form, or a request that is neither GET nor of a real-time path; and, where its log shows sockets, when it names another path than
    theirs, or when none of the upgrades in the log was refused and it names no path at all.
    """
    opened: dict[str, set[str]] = {}
    refused: set[str] = set()
    for seen, facts in evidence.of(AccessFacts):
        if facts.status == 101:
            opened.setdefault(seen.source.artifact, set()).add(facts.path)
        elif facts.status >= 400 and (facts.upgrade or is_socket_path(facts.path)):
            refused.add(seen.source.artifact)
    context = {(seen.source.artifact, facts.signature) for seen, facts in evidence.of(SignatureFacts)}
    lived = {seen.source.artifact for seen, _ in (*evidence.of(SessionFacts), *evidence.of(ClosingsFacts))}

    def aside(seen: Observation, facts: SignatureFacts, slug: str) -> bool:
        artifact = seen.source.artifact
        if (slug in _NEVER_OPENS and artifact in opened) or (facts.signature == _GREETING and (artifact, _SPOKEN) in context):
            return True
        if facts.signature == _PLAIN and facts.count < 3 and (artifact, _BY_HAND) in context:
            return True
        if _AFTER_THE_101.search(facts.text):
            return False
        found = _PATH.search(facts.text)
        if found is None or _ON_THE_WAY.search(facts.text):
            return found is None and artifact in opened and artifact not in refused and facts.count < 2
        path = found["path"] or found["named"] or found["last"] or "/"
        method = found["method"] or (other[1] if (other := _METHOD.search(facts.text)) else "GET")
        if path in opened.get(artifact, ()) or _REALTIME.search(path):
            return False
        return bool(_FILE.search(path) or _FORM.search(path)) or method != "GET" or artifact in opened or artifact in lived

    return aside
