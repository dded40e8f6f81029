"""What the methods of a text give, where the text may be partly unknown."""

import re
from typing import TYPE_CHECKING

from wsbook.parsers.code.values import NOTHING, ORIGIN, PROTOCOL, UNKNOWN, Value, is_known, joined
from wsbook.parsers.proxies.artifact import try_regex

if TYPE_CHECKING:
    from ast_grep_py import SgNode

    from wsbook.parsers.code.evaluate import Evaluator, Frame

__all__ = ["TEXT_METHODS", "TRANSPARENT", "TRANSPARENT_METHODS", "applied"]

TRANSPARENT = frozenset(
    (
        *("String", "encodeURI", "useMemo", "React.useMemo", "useCallback", "React.useCallback", "computed", "useRef"),
        *("React.useRef", "ref", "shallowRef", "readonly", "unref", "toValue", "toRef", "signal"),
        *("Object.freeze", "Object.seal", "structuredClone", "reactive", "$derived", "$state", "memo"),
    )
)
"""Functions that give back what they are given, or what a function that they are given returns."""

TRANSPARENT_METHODS = frozenset(("freeze",))
TEXT_METHODS = frozenset(("toString", "valueOf", "trim", "replace", "replaceAll", "concat", "slice", "substring", "substr", "toLowerCase"))
_HTTP = re.compile(r"\^?https?\??:?(?:\\?/){0,2}")


def applied(ev: "Evaluator", method: str, texts: list[Value], arguments: "list[SgNode]", frame: "Frame") -> list[Value]:
    """Return what a method of texts gives for arguments."""
    if method in ("toString", "trim", "valueOf"):
        return texts
    if method == "toLowerCase":
        return [Value(text=v.text.lower(), condition=v.condition) for v in texts]
    if method == "concat":
        for argument in arguments:
            texts = joined(texts, ev.texts(ev.look(argument, frame)))
        return texts
    if method in ("slice", "substring", "substr"):
        bounds = [ev.texts(ev.look(a, frame))[0].text if a.kind() != "unary_expression" else a.text() for a in arguments[:2]]
        return [Value(text=_sliced(v.text, bounds), condition=v.condition) for v in texts]
    if method in ("replace", "replaceAll") and len(arguments) == 2:
        new = ev.texts(ev.look(arguments[1], frame))[0].text
        return [Value(text=_replaced(ev, v.text, arguments[0], new, frame), condition=v.condition) for v in texts]
    return NOTHING


def _sliced(text: str, bounds: list[str]) -> str:
    if text == PROTOCOL and bounds[:1] == ["4"] and len(bounds) == 1:
        return PROTOCOL  # "s:" of https, nothing of http: what follows "ws"
    if not is_known(text) or not bounds or not all(re.fullmatch(r"-?\d{1,4}", b) for b in bounds):
        return UNKNOWN
    return text[int(bounds[0]) : int(bounds[1]) if len(bounds) > 1 else None]


def _replaced(ev: "Evaluator", text: str, pattern: "SgNode", new: str, frame: "Frame") -> str:
    body = pattern.field("pattern") if pattern.kind() == "regex" else None
    old = body.text() if body is not None else ev.texts(ev.look(pattern, frame))[0].text
    if text.startswith((PROTOCOL, ORIGIN)) and _HTTP.match(old):
        return text
    if body is None:
        return text.replace(old, new, 1) if is_known(old) else UNKNOWN
    regex = try_regex(old.replace("\\/", "/"))
    if regex is None or not is_known(new):
        return UNKNOWN
    try:
        return regex.sub(re.sub(r"\$(\d)", r"\\\1", new.replace("\\", "")), text[:500], count=1)
    except (re.error, IndexError):
        return UNKNOWN
