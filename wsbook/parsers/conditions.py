"""Whether a test of a script holds for a page and a mode of building, as far as that can be told."""

import re
from typing import TYPE_CHECKING

from wsbook.parsers.scope import FUNCTIONS, short_name
from wsbook.parsers.values import is_known

if TYPE_CHECKING:
    from ast_grep_py import SgNode

    from wsbook.parsers.evaluate import Evaluator, Frame

__all__ = ["around", "truth", "words"]

_SAME = ("==", "===")
_DIFFERENT = ("!=", "!==")
_BROWSER = re.compile(r"typeof(?:window|document|navigator|WebSocket|self|globalThis)|typeof(?:window|globalThis)\.\w+")


def words(condition: "SgNode | None") -> str:
    """Return a test as it is shown, short."""
    return re.sub(r"\s+", " ", condition.text()[:200])[:80].strip("()") if condition is not None else ""


def truth(ev: "Evaluator", node: "SgNode | None", frame: "Frame") -> bool | None:
    """Evaluate a test; None when it cannot be told."""
    if node is None:
        return None
    kind = node.kind()
    if kind == "parenthesized_expression":
        return truth(ev, next((c for c in node.children() if c.is_named()), None), frame)
    if kind in ("true", "false"):
        return kind == "true"
    if kind == "unary_expression" and node.text().startswith("!"):
        inner = truth(ev, node.field("argument"), frame)
        return None if inner is None else not inner
    if kind == "binary_expression":
        return _binary(ev, node, frame)
    if kind == "call_expression":
        return _called(ev, node, frame)
    return _set(ev, node, frame)


def _binary(ev: "Evaluator", node: "SgNode", frame: "Frame") -> bool | None:
    operator = node.field("operator")
    sign = operator.text() if operator is not None else ""
    if sign in ("&&", "||"):
        left, right = (truth(ev, node.field(side), frame) for side in ("left", "right"))
        decisive = sign == "||"
        if decisive in (left, right):
            return decisive
        return None if None in (left, right) else not decisive
    if sign not in (*_SAME, *_DIFFERENT):
        return None
    if _BROWSER.match(re.sub(r"\s+", "", node.text()[:80])):
        same: bool | None = "undefined" not in node.text()[:200]
    else:
        same = _equal(ev, node, frame)
    return None if same is None else same == (sign in _SAME)


def _equal(ev: "Evaluator", node: "SgNode", frame: "Frame") -> bool | None:
    left, right = ([v.text for v in ev.texts(ev.look(node.field(side), frame))] for side in ("left", "right"))
    if not all(is_known(text) for text in (*left, *right)):
        return None
    if len(left) == len(right) == 1:
        return left == right
    return False if not set(left) & set(right) else None


def _called(ev: "Evaluator", node: "SgNode", frame: "Frame") -> bool | None:
    """Text tests: startsWith, endsWith, includes and a regular expression's test."""
    function = node.field("function")
    arguments = [c for c in (node.field("arguments") or node).children() if c.is_named()]
    owner = function.field("object") if function is not None and function.kind() == "member_expression" else None
    member = function.field("property") if function is not None and owner is not None else None
    name = member.text() if member is not None else ""
    if owner is None or not arguments or name not in ("startsWith", "endsWith", "includes", "test"):
        return None
    if owner.kind() == "array":
        options = [v.text for child in owner.children() if child.is_named() for v in ev.texts(ev.look(child, frame))]
        values = [v.text for v in ev.texts(ev.look(arguments[0], frame))]
        return values[0] in options if len(values) == 1 and all(is_known(text) for text in (*values, *options)) else None
    subject, probe = (arguments[0], owner) if name == "test" else (owner, arguments[0])
    texts = [v.text for v in ev.texts(ev.look(subject, frame))]
    if len(texts) != 1 or not is_known(texts[0]):
        return None
    if name == "test":
        return _matches(probe, texts[0])
    parts = [v.text for v in ev.texts(ev.look(probe, frame))]
    return bool(getattr(str, {"includes": "__contains__"}.get(name, name.lower()))(texts[0], parts[0])) if is_known(parts[0]) else None


def _matches(regex: "SgNode", text: str) -> bool | None:
    from wsbook.parsers.proxies.artifact import try_regex

    body = regex.field("pattern") if regex.kind() == "regex" else None
    compiled = try_regex(body.text().replace("\\/", "/")) if body is not None else None
    return bool(compiled.search(text[:500])) if compiled else None


def _set(ev: "Evaluator", node: "SgNode", frame: "Frame") -> bool | None:
    """Whether an expression by itself is true: a text that is not empty, a flag that the build knows."""
    if short_name(node) in ("window.isSecureContext", "isSecureContext") and ev.page:
        return ev.page.secure or ev.page.is_loopback
    values = ev.look(node, frame)
    if len(values) != 1:
        return None
    if values[0].ref is not None:
        return True
    text = values[0].text
    if not is_known(text):
        return _tested(ev, node, frame)
    return text not in ("", "false", "0")


def _tested(ev: "Evaluator", node: "SgNode", frame: "Frame") -> bool | None:
    """Follow a name to the test that it holds: const secure = location.protocol === 'https:'."""
    if node.kind() != "identifier":
        return None
    definitions = [d for d in frame.module.visible(node.text(), node) if d.node is not None and not d.keys and d.function is None]
    if len(definitions) != 1 or definitions[0].node is None or definitions[0].node == node:
        return None
    kind = definitions[0].node.kind()
    return truth(ev, definitions[0].node, frame) if kind in ("binary_expression", "unary_expression", "call_expression") else None


def around(ev: "Evaluator", statement: "SgNode", frame: "Frame") -> str | None:
    """Return the tests of the ifs and cases around a statement within its function, "" without any; None when it is never reached."""
    found: list[str] = []
    inner = statement
    for ancestor in statement.ancestors():
        if ancestor.kind() in FUNCTIONS:
            break
        if ancestor.kind() == "if_statement" and not _contains(ancestor.field("condition"), statement):
            condition, otherwise = ancestor.field("condition"), ancestor.field("alternative")
            negated = otherwise is not None and _contains(otherwise, inner)
            holds = truth(ev, condition, frame)
            if holds is not None and holds == negated:
                return None
            if holds is None:
                found.append(f"not ({words(condition)})" if negated else words(condition))
        elif ancestor.kind() == "switch_case":
            found.append(f"case {words(ancestor.field('value'))}")
        inner = ancestor
    return " and ".join(found[::-1])[:200]


def _contains(outer: "SgNode | None", inner: "SgNode") -> bool:
    return outer is not None and (outer == inner or outer in inner.ancestors())
