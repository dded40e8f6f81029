"""What the lab can show beside its healthy deployment: faults (faults.toml) and other healthy stacks (stacks.toml).

Both are changes of the deployment's own files and options. A fault is called after the cause that an investigation should name, or says
which one that is; of a stack nothing should be named. Knows nothing of processes and ports.
"""

from difflib import get_close_matches
from functools import reduce
from typing import Any

from msgspec import Struct, convert

from wsbook.datafile import read_table
from wsbook.errors import UsageError
from wsbook.programs import PROXIES

__all__ = ["COMBINATIONS", "FAULTS", "STACKS", "Edit", "Fault", "edit_text", "find_fault"]

_CONFIGS = {"proxy/Caddyfile": "caddy", "proxy/nginx.conf": "nginx", "proxy/haproxy.cfg": "haproxy", "proxy/httpd.conf": "apache"}


class Edit(Struct, frozen=True, kw_only=True):
    """Replace old by new everywhere in one file. until: the replaced text reaches to just before its next occurrence."""

    file: str
    old: str
    new: str
    until: str = ""


class Fault(Struct, frozen=True, kw_only=True):
    """One fault, or a healthy stack.

    slug: its name, which is the cause that an investigation should name, unless cause says another. shows: the symptom in a few words.
    tls: kind of certificate (certificates.py), empty for plain HTTP. scheme: what the page dials when it is not what the proxy serves.
    host: where the endpoint is dialled, "" where the proxy listens. path: what the page dials. hop_path: where the application answers,
    when it is not path. origins: the allow-list in place of the page's own origin. bus: whether the instances are connected.
    subprotocols: what the page offers. bind: options after the address of HAProxy's listeners. instances: the names of the application's
    processes; off_bus: those of them that are not connected. polling: the application serves polling.py beside server.py. shown_by: the
    proxies that can show it, where the edits do not tell. relay: habit and options of a machine on the way (relay.py, gateway.py), ""
    none. reload_s: the proxy takes its configuration anew after each so many seconds, as after a renewed certificate. headers: what its
    owner gives to be let in. token: the value of WSBOOK_LAB_TOKEN, to which they and path may refer as to a secret. message: what a client
    sends first to be told prices, "" nothing. visited: somebody was connected to each instance before, and has left. server: the program
    in servers/ that is the application, "" backend.py. healthy: nothing is wrong with it. others: causes beside the named one, where
    several faults are planted together.
    """

    slug: str
    shows: str
    edits: tuple[Edit, ...] = ()
    tls: str = ""
    scheme: str = ""
    host: str = ""
    path: str = "/ws"
    hop_path: str = ""
    origins: tuple[str, ...] = ()
    bus: bool = True
    instances: tuple[str, ...] = ("a", "b")
    off_bus: tuple[str, ...] = ()
    polling: bool = False
    subprotocols: tuple[str, ...] = ()
    bind: str = ""
    shown_by: tuple[str, ...] = ()
    relay: str = ""
    reload_s: float = 0.0
    headers: tuple[str, ...] = ()
    token: str = ""
    message: str = '{"type": "subscribe", "topic": "ticks"}'
    cause: str = ""
    visited: bool = False
    server: str = ""
    healthy: bool = False
    others: tuple[str, ...] = ()

    @property
    def named(self) -> str:
        """The cause of the catalogue that an investigation should name, "" none."""
        return "" if self.healthy else self.cause or self.slug

    @property
    def habit(self) -> str:
        """The habit of the machine on the way, "" when there is none."""
        return self.relay.partition(" ")[0]

    @property
    def passed_on(self) -> bool:
        """Whether the whole deployment, its page too, is reached through the machine on the way."""
        return self.habit in ("swallow", "forget", "resign") or self.is_gateway

    @property
    def is_gateway(self) -> bool:
        """Whether that machine reads messages (gateway.py)."""
        return self.habit in ("sift", "plant")

    @property
    def proxies(self) -> tuple[str, ...]:
        """The proxies that can show it: those named, those whose configuration it changes, or all when it changes none."""
        if self.shown_by:
            return self.shown_by
        changed = {_CONFIGS[edit.file] for edit in self.edits if edit.file in _CONFIGS} | ({"haproxy"} if self.bind else set())
        return tuple(name for name in PROXIES if name in changed or not changed)


def _read(file: str, *, healthy: bool = False) -> dict[str, Fault]:
    table = read_table(f"lab/{file}")
    return {slug: convert({"slug": slug, "healthy": healthy, **fields}, Fault) for slug, fields in table.items()}


FAULTS: dict[str, Fault] = _read("faults.toml")

STACKS: dict[str, Fault] = _read("stacks.toml", healthy=True)
"""Healthy deployments of other make, by name; joined with + to a fault, that fault on another stack."""

COMBINATIONS: tuple[str, ...] = tuple(read_table("lab/combinations.toml")["together"])
"""Names of faults that are planted together, joined by +, for find_fault."""

_HEALTHY = Fault(slug="", shows="nothing: everything works", healthy=True)


def _together(one: Fault, other: Fault) -> Fault:
    """Return a fault that is both.

    Raises:
        UsageError: they want different values of one option, or no proxy can show both.
    """
    merged: dict[str, Any] = {}
    for name, default in zip(Fault.__struct_fields__[2:], Fault.__struct_defaults__, strict=True):
        given = [value for value in (getattr(one, name), getattr(other, name)) if value != default]
        if len(given) == 2 and given[0] != given[1] and name not in _JOINED:
            raise UsageError(f"{one.slug} and {other.slug} cannot be planted together: both set {name}")
        merged |= {name: given[0]} if given else {}
    proxies = tuple(name for name in one.proxies if name in other.proxies)
    if not proxies:
        raise UsageError(f"{one.slug} and {other.slug} cannot be planted together: no proxy shows both")
    causes = tuple(filter(None, (one.named, *one.others, other.named, *other.others)))
    merged |= {"edits": one.edits + other.edits, "shown_by": proxies, "healthy": not causes}
    merged |= {"cause": causes[0], "others": causes[1:]} if causes else {}
    return Fault(slug=f"{one.slug}+{other.slug}", shows=f"{one.shows}; {other.shows}", **merged)


_JOINED = frozenset({"edits", "shown_by", "healthy", "cause", "others"})


def find_fault(slug: str) -> Fault:
    """Return one fault or healthy stack, or several together, joined by +; the healthy deployment for an empty slug.

    Raises:
        UsageError: no such fault, and the text names the nearest; or they cannot be planted together.
    """
    if not slug:
        return _HEALTHY
    if "+" in slug:
        return reduce(_together, map(find_fault, slug.split("+")))
    known = FAULTS | STACKS
    if slug not in known:
        near = get_close_matches(slug, known, n=1, cutoff=0.0)
        raise UsageError(f"the lab has no fault {slug!r}; the nearest is {near[0]}")
    return known[slug]


def edit_text(fault: Fault, file: str, text: str) -> str:
    """Return a file of the deployment with the fault's edits.

    Raises:
        LookupError: an edit finds nothing to change, which is a mistake in faults.toml.
    """
    for edit in fault.edits:
        if edit.file == file:
            text = _edited(edit, text)
    return text


def _edited(edit: Edit, text: str) -> str:
    if edit.old not in text:
        raise LookupError(f"{edit.file} has no {edit.old!r}")
    if not edit.until:
        return text.replace(edit.old, edit.new)
    begin = text.index(edit.old)
    end = text.find(edit.until, begin + len(edit.old))
    return text[:begin] + edit.new + (text[end:] if end >= 0 else "")
