"""What an application received, as far as it says so: many test backends answer with the request's own headers, as text or JSON.

Pure. An echo counts only when it holds our own User-Agent, whose mark nobody else sends.
"""

import json
import re
from typing import Any

from msgspec import Struct

from wsbook.facts import UpgradeFacts
from wsbook.words import cap

__all__ = ["RequestChange", "echoed_headers", "request_changes", "request_changes_text"]

_LINE = re.compile(r"^[ \t]*([A-Za-z][A-Za-z0-9-]{1,60})[ \t]*[:=][ \t]*(.{0,2000}?)[ \t\r]*$", re.MULTILINE)
_DEEP = 4
_MOST = 200
_VALUE = 40
_SECRET = frozenset({"authorization", "cookie", "proxy-authorization"})


class RequestChange(Struct, frozen=True, kw_only=True):
    """One header that differs between the request as we sent it and as the application received it; "" where it is not there."""

    name: str
    sent: str = ""
    received: str = ""


def echoed_headers(facts: UpgradeFacts) -> dict[str, str]:
    """Return the headers that the application says it received, names in lower case; {} when it does not say."""
    agent = facts.request_header("user-agent")
    text = (facts.first_message or "") if facts.accepted else facts.body
    if not agent or agent not in text:
        return {}
    found = _from_json(text) or {name.lower(): value for name, value in _LINE.findall(text)[:_MOST]}
    return found if agent in found.get("user-agent", "") and "host" in found else {}


def _from_json(text: str) -> dict[str, str]:
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return next((named for one in _objects(tree, _DEEP) if "user-agent" in (named := _named(one))), {})


def _objects(tree: Any, depth: int) -> list[dict[str, Any]]:
    if depth == 0 or not isinstance(tree, dict | list):
        return []
    children = list(tree.values() if isinstance(tree, dict) else tree)[:_MOST]
    return [*([tree] if isinstance(tree, dict) else []), *(found for child in children for found in _objects(child, depth - 1))]


def _named(tree: dict[str, Any]) -> dict[str, str]:
    """Return the texts of an object by name; of a list of texts, as Go programs write headers, they stand side by side."""
    texts = {name.lower(): ", ".join(map(str, value)) if isinstance(value, list) else value for name, value in list(tree.items())[:_MOST]}
    return {name: value for name, value in texts.items() if isinstance(value, str)}


def request_changes(facts: UpgradeFacts) -> tuple[RequestChange, ...]:
    """Return what is different in the request as it arrived; () when the application does not say, or nothing is.

    Letters in other case are no change where the header's tokens have none (RFC 9110 section 7.6.1, RFC 6455 section 4.2.1).
    """
    received = echoed_headers(facts)
    if not received:
        return ()
    sent: dict[str, tuple[str, str]] = {}
    for name, value in facts.request_headers:
        before = sent.get(name.lower())
        sent[name.lower()] = (name, f"{before[1]}, {value}" if before else value)
    return tuple(
        RequestChange(name=sent.get(name, (name, ""))[0], sent=sent.get(name, ("", ""))[1], received=received.get(name, ""))
        for name in dict.fromkeys([*sent, *received])
        if not _same(name, sent.get(name, ("", ""))[1], received.get(name, ""))
    )


def _same(name: str, sent: str, received: str) -> bool:
    if name in _SECRET:
        return bool(sent) == bool(received)  # what we keep of a secret is its reference
    return (
        sent.strip().lower() == received.strip().lower() if name in ("upgrade", "connection", "host") else sent.strip() == received.strip()
    )


def request_changes_text(changes: tuple[RequestChange, ...]) -> str:
    """Return the changes in words: ``loses Upgrade; adds X-Forwarded-For: 10.0.0.1; changes Host from a to b``; "" for none."""
    lost = [change.name for change in changes if not change.received]
    added = [_shown(change.name, change.received) for change in changes if not change.sent]
    changed = [f"{c.name} from {cap(c.sent, _VALUE)} to {cap(c.received, _VALUE)}" for c in changes if c.sent and c.received]
    parts = (("loses", lost), ("adds", added), ("changes", changed))
    return "; ".join(f"{verb} {', '.join(names[:8])}" for verb, names in parts if names)


def _shown(name: str, value: str) -> str:
    return name if name.lower() in _SECRET else f"{name}: {cap(value, _VALUE)}"
