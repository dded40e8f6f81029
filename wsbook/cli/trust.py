"""What a record makes this machine do only when somebody says so: it may be somebody else's. Runs nothing.

Code of a record is never run. What is left is its target: a command as trigger, secrets of this machine that are sent to the
places that it names, and load on a host that is not this machine.
"""

from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from wsbook.errors import UsageError
from wsbook.parameters import files_of, parameters_of
from wsbook.secret import reference_names
from wsbook.target import Target, parse_endpoint
from wsbook.words import cap, quantity

__all__ = ["Allowed", "Demand", "demands", "require_allowed", "require_here"]


class Allowed(Struct, frozen=True, kw_only=True):
    """What the person lets a record do, each after reading it."""

    command: bool = False
    secrets: bool = False
    load: bool = False


class Demand(Struct, frozen=True, kw_only=True):
    """Something that a record's target does and nobody has allowed, in words, and the option of replay that allows it."""

    words: str
    option: str


def demands(target: Target, allowed: Allowed) -> Iterator[Demand]:
    """Yield what a record's target does that nobody has allowed."""
    if target.trigger is not None and target.trigger.kind == "command" and not allowed.command:
        words = f"the record's trigger runs a command on this machine: {cap(target.trigger.body, 300)}"
        yield Demand(words=words, option="--run-command")
    names = _references(target)
    if names and not allowed.secrets:
        words = f"the record sends {cap(', '.join(names), 200)} of this machine to {_hosts(target)}"
        yield Demand(words=words, option="--send-secrets")
    endpoint = target.endpoint
    if target.owned and not allowed.load and endpoint is not None and not endpoint.is_loopback:
        yield Demand(words=f"the record says that {cap(endpoint.host, 80)} is yours and may be sent load", option="--i-own-this")


def require_allowed(target: Target, allowed: Allowed) -> None:
    """Raise when a record's target does what nobody has allowed.

    Raises:
        UsageError: it does; the sentence says what, and the option that allows it.
    """
    for demand in demands(target, allowed):
        raise UsageError(f"{demand.words}; add {demand.option} if that is what you want")


def _references(target: Target) -> tuple[str, ...]:
    texts = [*map(str, parameters_of(target).values()), *(value for _, value in target.headers)]
    return tuple(dict.fromkeys(name for text in texts for name in reference_names(text)))


def _hosts(target: Target) -> str:
    """Return the hosts that a target's requests go to, in words."""
    urls = [target.url, target.page_url, *(hop.url for hop in target.hops), target.forward_proxy, target.metrics]
    hosts = dict.fromkeys(parse_endpoint(url).host for url in urls if url)
    return cap(", ".join(hosts), 200) or "nobody"


def require_here(target: Target) -> None:
    """Raise when files that a record looked at are not on this machine.

    Raises:
        UsageError: some are missing; the sentence names the first ones.
    """
    missing = [path for path in files_of(target) if not Path(path).exists()]
    if missing:
        count = quantity(len(missing), "file or folder", "files or folders")
        raise UsageError(
            f"the record looked at {count} that {'is' if len(missing) == 1 else 'are'} not on this machine:"
            f" {cap(', '.join(missing[:3]), 200)}; replay it where they are"
        )
