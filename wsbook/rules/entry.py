"""Whether an upgrade let somebody in: by its status, and after a 101 by the first message and a close. Names no cause.

A server may refuse before the upgrade with any status it likes, or accept it and then close, or say an error. Two accepted attempts let in
the same visitor when the parts of the first message that do not change by themselves are the same.
"""

import json
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct

from wsbook.facts import UpgradeFacts
from wsbook.observation import Observation, Reason
from wsbook.rules.outcome import Seen, say
from wsbook.wire.messages import errors_in, opened

__all__ = ["Entry", "Kind", "entry_of", "names_origin", "same_visitor", "speaks_of_origin"]

_BUSY_STATUSES = frozenset({408, 429, 502, 503, 504})
_BUSY_CODES = frozenset({1012, 1013})
_NOT_LOOKED = frozenset({Reason.OUR_BUG, Reason.SKIPPED, Reason.NOT_PERMITTED, Reason.TOOL_MISSING})
_DEEP, _LEAVES = 5, 200
_PREFIX = re.compile(r"\A\d{1,3}(?=[\[{])")
"""Engine.IO and Socket.IO write the kind of a packet before its JSON."""
_CHANGING = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|\d+")
_NO = (
    r"unauthori[sz]ed|unauthenticated|not (?:authori[sz]ed|authenticated|logged in|allowed|permitted|accepted)|forbidden|access denied|"
    r"permission denied|invalid (?:token|session|credentials?|origin)|(?:authentication|login|origin) (?:required|failed|denied|rejected)|"
    r"(?:please )?log ?in (?:first|required)|bad origin|cross.?origin"
)
_REFUSES = re.compile(_NO, re.IGNORECASE)
_MARKS = frozenset({"error", "errors", "disconnect"})
_PLAIN_MARKS = frozenset({"unauthorized", "forbidden", "reject", "rejected", "denied", "auth_error", "connect_error"})
"""What a message of a refusal is called, or a field in it: those that need words about rights, and those that say so by themselves."""
_KINDS = ("type", "event", "op", "action", "status", "kind", "t", "cmd", "msg", "result")
_ORIGIN = re.compile(
    r"\borigins?\b[^\n]{0,100}?\b(?:not|n't|denied|den(?:y|ies)|forbidden|invalid|mismatch|disallow\w*|reject\w*|refused|unknown|bad|unaccept\w*)\b"
    r"|\b(?:not|n't|denied|deny|forbidden|invalid|mismatch\w*|disallow\w*|reject\w*|refused|unknown|bad|untrusted|missing)\b[^\n]{0,60}?\borigins?\b"
    r"|cross.?origin[^\n]{0,40}?\b(?:not|denied|forbidden|blocked|refused)\b",
    re.IGNORECASE,
)
_ANOTHER_ORIGIN = re.compile(r"\borigin (?:web )?(?:server|dns|host|is unreachable|time)|\borigin_\w+_error", re.IGNORECASE)
"""What content delivery networks call the server behind them."""


class Kind(StrEnum):
    """What became of an attempt."""

    OPEN = "accepted"
    REFUSED = "refused"
    CLOSED = "accepted and closed at once"
    DENIED = "accepted and told no"
    BUSY = "too busy"
    NOTHING = "no answer"


class Entry(Struct, frozen=True):
    """One attempt and what became of it. words: half a sentence."""

    kind: Kind
    words: str
    seen: Observation
    facts: UpgradeFacts

    @property
    def opened(self) -> bool:
        """Whether it let somebody in."""
        return self.kind is Kind.OPEN

    @property
    def refused(self) -> bool:
        """Whether the answer was no, in whatever form."""
        return self.kind in (Kind.REFUSED, Kind.CLOSED, Kind.DENIED)


def entry_of(one: Seen) -> Entry:
    """Return what became of an attempt, taken alone."""
    seen, facts = one
    said = say(seen, facts)
    if facts.status is None or (seen.failure is not None and seen.failure.reason in _NOT_LOOKED):
        return Entry(Kind.NOTHING, said, seen, facts)
    if not facts.accepted:
        return Entry(Kind.BUSY if facts.status in _BUSY_STATUSES else Kind.REFUSED, said, seen, facts)
    if facts.ended or facts.close_code is not None:
        return _closed(seen, facts)
    if facts.first_message is not None and _denies(facts.first_message):
        return Entry(Kind.DENIED, f"accepted with 101, and told: {facts.first_message[:100]}", seen, facts)
    return Entry(Kind.OPEN, said, seen, facts)


def _closed(seen: Observation, facts: UpgradeFacts) -> Entry:
    how = f"closed with {facts.close_code}" if facts.close_code is not None else f"ended ({facts.ended})"
    reason = f": {facts.close_reason[:80]}" if facts.close_reason else ""
    kind = Kind.BUSY if facts.close_code in _BUSY_CODES else Kind.CLOSED
    return Entry(kind, f"accepted with 101 and {how} at once{reason}", seen, facts)


def _denies(text: str) -> bool:
    """Tell whether a first message refuses: one of the dialects' errors, or an error that speaks of rights."""
    if any(slug.startswith(("auth.", "origin.")) for error in errors_in(text) for slug, _ in error.causes):
        return True
    tree = _tree(text)
    if tree is None:
        return len(text) <= 200 and _REFUSES.search(text) is not None
    if not isinstance(tree, dict):
        return False
    named = {str(value).lower() for key, value in tree.items() if key.lower() in _KINDS and isinstance(value, str)}
    fields = {key.lower() for key, value in tree.items() if value}
    told = named | fields
    return bool(told & _PLAIN_MARKS) or (bool(told & _MARKS) and _REFUSES.search(text[:2000]) is not None)


def _tree(text: str) -> Any:
    """Return the JSON in a message, behind the marks of the usual dialects; None for anything else."""
    try:
        return json.loads(_PREFIX.sub("", opened(text)))
    except (ValueError, RecursionError):
        return None


def _leaves(tree: Any, path: str = "", depth: int = _DEEP) -> Iterator[tuple[str, str]]:
    if depth and isinstance(tree, dict):
        for key, value in list(tree.items())[:_LEAVES]:
            yield from _leaves(value, f"{path}.{key}", depth - 1)
    elif depth and isinstance(tree, list):
        for number, value in enumerate(tree[:_LEAVES]):
            yield from _leaves(value, f"{path}[{number}]", depth - 1)
    else:
        yield path, json.dumps(tree, sort_keys=True)[:200]


def _parts(text: str) -> Mapping[str, str]:
    """Return a message as name → value: the leaves of its JSON, or the words of any other text without numbers."""
    tree = _tree(text)
    return dict(_leaves(tree)) if tree is not None else {"": _CHANGING.sub("#", text)}


def same_visitor(one: UpgradeFacts, own: UpgradeFacts, again: UpgradeFacts) -> bool | None:
    """Tell whether an accepted attempt was greeted as the page's own is; None when the greeting cannot tell.

    own, again: two attempts of the page itself: what differs between them changes by itself.
    """
    if own.first_message is None or again.first_message is None:
        return None
    first, second = _parts(own.first_message), _parts(again.first_message)
    steady = {name for name, value in first.items() if second.get(name) == value}
    if not steady or one.first_message is None:
        return None
    other = _parts(one.first_message)
    return all(other.get(name) == first[name] for name in steady)


def names_origin(text: str) -> str:
    """Return the words of a text by which it names Origin as the reason of a refusal, "" when it does not."""
    found = _ORIGIN.search(text[:2000])
    if found is None or _ANOTHER_ORIGIN.search(text[:2000]):
        return ""
    return text[max(0, found.start() - 40) : found.end() + 60].strip()


def speaks_of_origin(facts: UpgradeFacts) -> str:
    """Return the words by which a refusal names Origin as its reason, "" when it does not."""
    texts = (facts.body, facts.close_reason, facts.reason, facts.first_message or "")
    return next(filter(None, map(names_origin, texts)), "")
