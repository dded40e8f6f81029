"""What a recorded handshake shows by itself: whose Origin, which Host, which spelling, and what travels in the clear (areas F and J)."""

import re
from collections.abc import Iterator
from itertools import pairwise
from urllib.parse import urlsplit

from wsbook.evidence import Evidence
from wsbook.finding import Finding
from wsbook.hosts import is_inner, is_own_machine
from wsbook.rules.lives import Life, lives_of
from wsbook.rules.make import fault, proof, unknown

__all__ = ["judge_asked"]

_HOSTILE = re.compile(r"(?i)evil|attack|malicious|hacker|phish|cswsh|untrusted")
"""How people name the foreign site of a test."""
_SECRET = re.compile(r"(?i)[?&](?:\w*token|jwt|\w*auth\w*|\w*key|password|secret|session\w*|sid|ticket)=")
_SHOWN = 5
"""Handshakes judged of one artifact."""


def judge_asked(evidence: Evidence) -> Iterator[Finding]:
    """Judge the first handshakes of recordings and dumps."""
    lives = lives_of(evidence)[:_SHOWN]
    for before, after in pairwise(lives):
        yield from _judge_changed_host(before, after)
    for life in lives:
        for judge in (_judge_host, _judge_spelling, _judge_foreign, _judge_clear_text):
            yield from judge(life)


def _host(text: str) -> str:
    """Return the host name of an origin or of a Host header, "" when there is none."""
    try:
        return urlsplit(text if "//" in text else f"//{text}").hostname or ""
    except ValueError:
        return ""


def _is_inside(host: str) -> bool:
    """Tell what no visitor of the public internet can reach."""
    return is_own_machine(host) or is_inner(host)


def _site(host: str) -> str:
    return ".".join(host.split(".")[-2:])


def _judge_host(life: Life) -> Iterator[Finding]:
    """A public Origin beside an internal Host, and a refusal: a proxy replaced Host, and a check compares them.

    Not in a browser's recording nor in a browser that we watch: they hold the Host that the browser itself sent.
    """
    facts = life.upgrade
    if life.seen.source.probe in ("har", "browser"):
        return
    origin, host = _host(facts.request_header("origin") or ""), _host(facts.request_header("host") or "")
    if facts.status == 403 and origin and host and not _is_inside(origin) and _is_inside(host):
        words = f"refused with {facts.status}: Origin is {origin}, Host is {host}, which a proxy has put there"
        yield fault("origin.proxy-rewrites-host", 0.75, words, proof(life.seen, words))


def _judge_changed_host(before: Life, after: Life) -> Iterator[Finding]:
    """One request as it was sent and as it arrived behind a proxy, which wrote a host of its own, and the refusal."""
    sent, arrived = before.upgrade, after.upgrade
    named, given = _host(sent.request_header("host") or ""), _host(arrived.request_header("host") or "")
    same = urlsplit(sent.url).path == urlsplit(arrived.url).path and before.watcher == after.watcher
    if same and arrived.status in (400, 403) and sent.status is None and named and given and named != given and _is_inside(given):
        words = f"sent to {named}, and arrived behind a proxy with Host {given}; refused with {arrived.status}"
        yield fault("origin.proxy-rewrites-host", 0.6, words, proof(after.seen, words))
        yield fault("proxy.set-header-inheritance-lost", 0.4, words, proof(after.seen, words))


def _judge_spelling(life: Life) -> Iterator[Finding]:
    """The list that Firefox sends in Connection, and a refusal that names no header."""
    facts = life.upgrade
    tokens = [token.strip().lower() for token in (facts.request_header("connection") or "").split(",")]
    complete = (facts.request_header("upgrade") or "").lower() == "websocket"
    at_root = urlsplit(facts.url).path in ("", "/")  # elsewhere 404 speaks of the path
    if facts.status in ((400, 404, 426) if at_root else (400, 426)) and complete and "keep-alive" in tokens and "upgrade" in tokens:
        words = f"refused with {facts.status} although the request is complete; its Connection is a list, as Firefox sends it"
        yield fault("backend.upgrade-header-exact-compare", 0.52, words, proof(life.seen, words))


def _judge_foreign(life: Life) -> Iterator[Finding]:
    """A handshake from another site that carries the visitor's cookie and is accepted."""
    facts = life.upgrade
    told = facts.request_header("origin") or ""
    origin, host = _host(told), _host(facts.request_header("host") or facts.url)
    if facts.status != 101 or not origin or not host or _is_inside(host) or _site(origin) == _site(host):
        return
    words = f"a page of {origin} opens a socket at {host}"
    if _HOSTILE.search(origin):
        yield fault("origin.not-checked", 0.95, f"{words}: the server accepts any Origin", proof(life.seen, f"Origin: {told[:120]} → 101"))
    elif facts.request_header("cookie") is not None:
        yield unknown("origin.not-checked", 0.35, f"{words}, with the visitor's cookie", proof(life.seen, f"Origin: {told[:120]} → 101"))


def _judge_clear_text(life: Life) -> Iterator[Finding]:
    """A secret that is sent without TLS to a public name is read on the way."""
    url = life.upgrade.url
    if not url.startswith("ws:") or not life.upgrade.accepted or _is_inside(_host(url)):
        return
    if _SECRET.search(url) or life.upgrade.request_header("authorization") is not None:
        words = f"a secret travels in the clear to {_host(url)}"
        yield fault("client.insecure-url", 0.6, words, proof(life.seen, words))
