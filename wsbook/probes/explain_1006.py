"""Say what a browser hides behind close code 1006: repeat its handshake outside of it byte for byte, then change one thing at a time.

Scripts learn nothing of a refused handshake but 1006 (WHATWG WebSockets section 3). This module must not know how the handshake was
recorded, nor judge what flips the outcome. Values of credentials are used, and hidden in everything that is returned.
"""

import re
from collections.abc import Iterable

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from wsbook import attempt as labels
from wsbook.attempt import Attempt
from wsbook.facts import Headers, UpgradeFacts
from wsbook.observation import Observation, Reason, Source, not_run
from wsbook.probes.experiment import experiment
from wsbook.target import parse_endpoint
from wsbook.wire.credentials import credential_values, has_hidden_credential, hide_credentials
from wsbook.wire.handshake import USER_AGENT

__all__ = ["Told", "exact_attempt", "exact_variants", "explain"]

MOST = 3
"""So many handshakes that differ are repeated; a page that reconnects asks the same again and again."""

_NEEDED = frozenset({"host", "connection", "upgrade", "origin", "cookie", "authorization", "user-agent"})
_OPENED_S = 1.0
"""How long the first frames are waited for when the browser's socket opened and broke then."""


class Told(Struct, frozen=True, kw_only=True):
    """One failed handshake as a browser made it.

    headers: all, in the order sent, with credentials. hop: who told, as in the source of its observation. opened: it was accepted and
    broke later. withheld: value of a Cookie header with those that the browser held back; "" none, or not to be sent.
    """

    url: str
    headers: Headers
    hop: str = "browser"
    opened: bool = False
    withheld: str = ""


def _values(headers: Headers, name: str) -> list[str]:
    return [value for key, value in headers if key.lower() == name]


def _members(headers: Headers, name: str) -> tuple[str, ...]:
    return tuple(part.strip() for value in _values(headers, name) for part in value.split(",") if part.strip())


def _without(headers: Headers, *names: str) -> Headers:
    return tuple((name, value) for name, value in headers if name.lower() not in names)


def _with(headers: Headers, name: str, value: str) -> Headers:
    """Return the headers with this value in the place of the first of that name, or at the end."""
    if not _values(headers, name.lower()):
        return (*headers, (name, value))
    return tuple((key, value if key.lower() == name.lower() else content) for key, content in headers)


def _needed(url: str) -> Headers:
    """Return the headers without which a request is no opening handshake (RFC 6455 section 4.1)."""
    fixed = (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", ""))
    return (("Host", parse_endpoint(url).authority), *fixed)


def exact_attempt(told: Told, template: Attempt) -> Attempt:
    """Return the attempt that sends what the browser sent. template: where and how to dial: proxy, CA file, time.

    A credential that a recording hides cannot be repeated: its header is left out. What every handshake needs and a recording lacks, as one
    of HTTP/2 does, is added. The attempt says both in what it changes.
    """
    hidden = tuple(dict.fromkeys(name.lower() for name, value in told.headers if has_hidden_credential(name, value)))
    kept = tuple(header for header in _without(told.headers, *hidden) if not header[0].startswith(":"))
    missing = tuple(header for header in _needed(told.url) if not _values(kept, header[0].lower()))
    headers = (*kept, *missing)
    exact = replace(
        template,
        url=told.url,
        exact=headers,
        headers=(),
        subprotocols=_members(headers, "sec-websocket-protocol"),
        extensions=_members(headers, "sec-websocket-extensions"),
        first_message_s=_OPENED_S if told.opened else template.first_message_s,
        hop=told.hop,
        changed=(),
    )
    words = [f"without {' and '.join(hidden)}, hidden in the recording"] if hidden else []
    words += [f"with {' and '.join(name for name, _ in missing)}, not in the recording"] if missing else []
    return exact.change("; ".join(words)) if words else exact


def exact_variants(attempt: Attempt, withheld: str = "") -> list[Attempt]:
    """Return the attempt with one thing changed at a time: what only some clients send, and what servers and filters look at."""
    sent = attempt.exact or ()
    names = {name.lower() for name, _ in sent}

    def change(label: str, headers: Headers, **fields: object) -> list[Attempt]:
        return [attempt.change(label, exact=headers, **fields)] if headers != sent else []

    host, agent = (next(iter(_values(sent, name)), "") for name in ("host", "user-agent"))
    own = attempt.endpoint.origin
    plain = [value.lower() for value in _values(sent, "connection")] == ["upgrade"]
    other = tuple(name for name in names if name not in _NEEDED and not name.startswith("sec-websocket-"))
    cookies = "; ".join(filter(None, (*_values(sent, "cookie"), withheld)))
    return [
        *change(labels.NO_ORIGIN, _without(sent, "origin"), origin=None),
        *(change(labels.OWN_ORIGIN, _with(sent, "Origin", own), origin=own) if "origin" in names else []),
        *change(labels.NO_COOKIES, _without(sent, "cookie")),
        *(change(labels.WITH_HELD_BACK, _with(sent, "Cookie", cookies)) if withheld else []),
        *change(labels.NO_EXTENSIONS, _without(sent, "sec-websocket-extensions"), extensions=()),
        *change(labels.NO_SUBPROTOCOL, _without(sent, "sec-websocket-protocol"), subprotocols=()),
        *change(labels.WITHOUT_HEADLESS, _with(sent, "User-Agent", agent.replace("Headless", "")) if agent else sent),
        *change(labels.OUR_USER_AGENT, _with(sent, "User-Agent", USER_AGENT)),
        *(change(labels.CONNECTION_LIST, _with(sent, "Connection", "keep-alive, Upgrade")) if plain else []),
        *([] if plain else change(labels.ONLY_UPGRADE, _with(sent, "Connection", "Upgrade"))),
        *change(labels.HOST_WITHOUT_PORT, _with(sent, "Host", re.sub(r":\d+$", "", host)) if host else sent),
        *change(labels.FEWEST_HEADERS, _without(sent, *other)),
    ]


def _distinct(told: Iterable[Told]) -> list[Told]:
    """Return the first of each handshake: the same URL with the same headers but for the key is the same again."""
    found: dict[tuple[str, Headers, str], Told] = {}
    for one in told:
        found.setdefault((one.url, _without(one.headers, "sec-websocket-key"), one.hop), one)
    return list(found.values())[:MOST]


def _hidden(seen: Observation, secrets: tuple[str, ...]) -> Observation:
    """Return the observation without the values of credentials, wherever the peer may have echoed them."""
    if not isinstance(seen.facts, UpgradeFacts):
        return seen
    facts = replace(seen.facts, request_headers=hide_credentials(seen.facts.request_headers))
    text = msgspec.json.encode(facts).decode()
    for secret in secrets:
        text = text.replace(msgspec.json.encode(secret).decode()[1:-1], "***")
    return replace(seen, facts=msgspec.json.decode(text, type=UpgradeFacts))


async def _repeat(told: Told, template: Attempt, step: str) -> list[Observation]:
    attempt = exact_attempt(told, template)
    secrets = credential_values((*told.headers, ("Cookie", told.withheld)))
    (first,) = await experiment(attempt, [], step=step, probe="repeated")
    found = [first]
    facts = first.facts
    if isinstance(facts, UpgradeFacts) and facts.accepted and not told.opened and told.url.startswith("wss:"):
        found += await experiment(None, [attempt.change(labels.WITH_HTTP2_OFFERED, alpn=("h2", "http/1.1"))], step=step, probe="repeated")
    if isinstance(facts, UpgradeFacts) and facts.status is not None and (told.opened or not facts.accepted):
        short = replace(attempt, timeout_s=min(attempt.timeout_s, 3.0))
        found += await experiment(None, exact_variants(short, told.withheld), step=step, probe="repeated")
        if not facts.accepted and any(isinstance(seen.facts, UpgradeFacts) and seen.facts.accepted for seen in found):
            again = short.change(labels.THE_SAME_AGAIN)
            found += await experiment(again, [again], step=step, probe="repeated")
    return [_hidden(seen, secrets) for seen in found]


async def explain(told: Iterable[Told], template: Attempt, *, step: str) -> list[Observation]:
    """Return the repetition of each failed handshake, followed by its variants where it was answered and refused too.

    A repetition that is accepted over TLS is made once more with HTTP/2 offered, as Firefox does. Where a variant is accepted the
    unchanged request is made twice more: an outcome that changes by itself proves nothing.

    Their sources have the probe "repeated" and the hop of who told; the exact repetition has nothing changed.

    Raises:
        UsageError: as open_socket().
    """
    found: list[Observation] = []
    for one in _distinct(told):
        if one.headers:
            found += await _repeat(one, template, step)
        else:
            source = Source(step=step, probe="repeated", hop=one.hop)
            found.append(
                not_run(source, Reason.SKIPPED, f"the request for {one.url[:200]} is not known in HTTP/1.1, so it cannot be repeated")
            )
    return found
