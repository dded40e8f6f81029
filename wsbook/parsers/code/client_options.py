"""What a page tells its client library: options that switch reconnecting off, hold a credential, or beat too slowly.

Which library takes which option stands in client_options.toml; here is how a value is read, not what it is about.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from msgspec import Struct, convert

from wsbook.datafile import read_table
from wsbook.facts import PatternFacts
from wsbook.parsers.code.patterns import pattern_fact
from wsbook.parsers.code.scope import FUNCTIONS, pair
from wsbook.parsers.code.script_flow import Flow, arguments_of, called
from wsbook.parsers.code.source_files import Code

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["option_patterns"]

_CREDENTIAL = re.compile(r"(?i)token|jwt|bearer|ticket|authorization|api_?key|credential|session_?id|secret")
_GROWS = re.compile(r"Math\.|\*\*|<<|\+\+|[*+]=|(?i:random|backoff|expo|jitter)")
_FIXED_CALLS = re.compile(r"^(?:window\.)?(?:setTimeout|Promise|resolve|r|res|done|sleep|delay|wait|timer|Promise\.resolve|of|interval)$")
_NUMBER = re.compile(r"^[\d_.]+(?:e\d+)?(?:\s*\*\s*[\d_.]+(?:e\d+)?)*$")
_FEW, _HASTY_MS, _SLOW_S = 5, 500, 60
_MAX_CALLS = 40


class Option(Struct, frozen=True, kw_only=True):
    """One way in which options are wrong; the fields are explained in client_options.toml."""

    names: tuple[str, ...]
    test: str
    pattern: str
    unless: str = ""
    beside: str = ""
    unit_s: float = 0.001


class Library(Struct, frozen=True, kw_only=True):
    """One client library."""

    name: str
    call: str
    needs: str
    options: tuple[Option, ...]


@cache
def _libraries() -> tuple[Library, ...]:
    return convert(read_table("parsers/code/client_options.toml")["library"], tuple[Library, ...])


def option_patterns(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """Yield the defects of the options in one piece of frontend code, each pattern once for each call."""
    for library in _libraries():
        if not re.search(library.needs, code.text):
            continue
        for call in [call for call in flow.calls if re.search(library.call, called(call))][:_MAX_CALLS]:
            found = dict.fromkeys(option.pattern for option in library.options if _is_wrong(option, call, flow, code.text))
            yield from (pattern_fact(pattern, call, code) for pattern in found)


def _is_wrong(option: Option, call: "SgNode", flow: Flow, text: str) -> bool:
    if (option.unless and re.search(option.unless, text)) or (option.beside and any(_values(call, option.beside, flow))):
        return False
    values = [value for name in option.names for value in _values(call, name, flow)]
    if option.test == "none":
        return not arguments_of(call)
    if option.test == "absent":
        return not values and not _is_open(call, flow)
    return any(_TESTS[option.test](value, flow, option) for value in values)


def _values(call: "SgNode", name: str, flow: Flow) -> "Iterator[SgNode]":
    """Yield what an option is given, names followed to what they were declared as."""
    given = arguments_of(call)
    if name in ("@address", "@first"):
        yield from (flow.meant(one) for one in given[:1] if name == "@first" or one.kind() != "object")
        return
    for argument in given:
        node: SgNode | None = flow.meant(argument)
        for part in name.split("."):
            node = pair(node, part) if node is not None and node.kind() == "object" else None
            node = flow.meant(node) if node is not None else None
        if node is not None:
            yield node


def _is_open(call: "SgNode", flow: Flow) -> bool:
    """Tell whether some options come from where this code does not show them: a spread, a name, a call."""
    given = [flow.meant(argument) for argument in arguments_of(call)[1:]]
    return any(
        one.kind() in ("identifier", "member_expression", "call_expression", "spread_element")
        or any(child.kind() == "spread_element" for child in one.children())
        for one in given
    )


def _is_off(value: "SgNode", _flow: Flow, _option: Option) -> bool:
    return re.fullmatch(r"false|0|null|undefined|\(?\w*\)?\s*=>\s*(?:false|0|\{\s*return false;?\s*\})", value.text()) is not None


def _is_few(value: "SgNode", _flow: Flow, _option: Option) -> bool:
    number = _number(value)
    return number is not None and 1 <= number <= _FEW


def _is_one(value: "SgNode", _flow: Flow, _option: Option) -> bool:
    return _number(value) == 1


def _is_slow(value: "SgNode", _flow: Flow, option: Option) -> bool:
    number = _number(value)
    return number is not None and number * option.unit_s >= _SLOW_S


def _is_always(value: "SgNode", _flow: Flow, _option: Option) -> bool:
    return re.fullmatch(r"\(?[\w,: ]*\)?\s*=>\s*(?:true|\{\s*return true;?\s*\})", value.text()) is not None


def _is_constant(value: "SgNode", flow: Flow, _option: Option) -> bool:
    return _delay(value, flow) is not None


def _is_hasty(value: "SgNode", flow: Flow, _option: Option) -> bool:
    delay = _delay(value, flow)
    return delay is not None and delay < _HASTY_MS and (delay > 0 or value.kind() in FUNCTIONS)


def _delay(value: "SgNode", flow: Flow) -> float | None:
    """Return the milliseconds that are waited each time alike, None when they change or do not show.

    A list of delays counts when all are the same.
    """
    if value.kind() == "array":
        numbers = {_number(flow.meant(item)) for item in value.children() if item.is_named()}
        return numbers.pop() if len(numbers) == 1 and len(value.children()) > 3 else None
    if value.kind() not in FUNCTIONS:
        return _number(value)
    body, parameters = value.field("body"), value.field("parameters") or value.field("parameter")
    if body is None or _GROWS.search(body.text()):
        return None
    names = re.findall(r"\w+", parameters.text()) if parameters is not None else []
    calls = [called(call) for kind in ("call_expression", "new_expression") for call in body.find_all(kind=kind)]
    if any(re.search(rf"\b{re.escape(name)}\b", body.text()) for name in names) or not all(_FIXED_CALLS.match(name) for name in calls):
        return None
    waits = [number for node in (body, *body.find_all(kind="number")) if (number := _number(flow.meant(node))) is not None]
    return max(waits, default=None)


def _number(value: "SgNode") -> float | None:
    """Return the number that a literal or a product of literals is."""
    text = value.text()
    if len(text) > 60 or not _NUMBER.match(text):
        return None
    product = 1.0
    for factor in text.split("*"):
        try:
            product *= float(factor.strip().replace("_", ""))
        except ValueError:
            return None
    return product


def _holds_token(value: "SgNode", flow: Flow, _option: Option) -> bool:
    """Tell whether a value holds a credential that is read when the options are made: nothing in it is a function or a getter."""
    if value.kind() in FUNCTIONS or value.kind() not in (
        "object",
        "template_string",
        "binary_expression",
        "identifier",
        "member_expression",
        "await_expression",
        "call_expression",
    ):
        return False
    if not _CREDENTIAL.search(value.text()[:2000]) and not _CREDENTIAL.search("\n".join(_meanings(value, flow))):
        return False
    if value.kind() == "call_expression":
        return re.match(r"[\w.]*(?:[gs]et|read|load|token|jwt)\w*\(", value.text(), re.IGNORECASE) is not None
    inner = [node for kind in (*FUNCTIONS, "method_definition") for node in value.find_all(kind=kind)]
    return not inner and not re.fullmatch(r"\w*(?:[gG]et|[fF]etch|[mM]ake|[bB]uild|[rR]esolve)[A-Z]\w*", value.text())


def _is_stale(value: "SgNode", flow: Flow, _option: Option) -> bool:
    """Tell whether a function gives back a name that is given a value once, outside of it."""
    body = value.field("body") if value.kind() in FUNCTIONS else None
    if body is None or body.kind() != "identifier" or not _CREDENTIAL.search(body.text()):
        return False
    return len(flow.values.get(body.text(), [])) <= 1


def _meanings(value: "SgNode", flow: Flow) -> list[str]:
    """Return the source of what the names within a template or a sum stand for."""
    names = value.find_all(kind="identifier")[:20] if value.kind() in ("template_string", "binary_expression") else []
    return [meant.text()[:300] for name in names if (meant := flow.meant(name)).kind() not in FUNCTIONS]


_TESTS = {
    "off": _is_off,
    "few": _is_few,
    "one": _is_one,
    "constant": _is_constant,
    "hasty": _is_hasty,
    "token": _holds_token,
    "stale": _is_stale,
    "slow": _is_slow,
    "always": _is_always,
}
