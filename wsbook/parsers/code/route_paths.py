"""Paths of routes in one notation, whatever a framework writes. Knows how frameworks write parameters."""

import re

__all__ = ["template"]

_REGEX_GROUP = re.compile(r"\(\?P<(\w+)>(?:[^()\\]|\\.|\([^()]*\))*\)")
_PLAIN_GROUP = re.compile(r"\((?!\?)(?:[^()\\]|\\.|\([^()]*\))*\)")
_PARAMETER = re.compile(
    r"<(?:\w+(?:\([^)]*\))?:)?(\w+)>|(?<=/):(\w+)(?:\([^)]*\)|[?+*])?|\{(\w+)(?::path)?(?::[^{}]*(?:\{[^{}]*\})?[^{}]*)?\}"
)
_REST = re.compile(r"\{(?:\*\w+|\w+:path)\}|<path:\w+>|(?<=/)\*\w+|/\*\*|\{\w+\.\.\.\}|\(\.\*\)|\.\*")


def template(path: str, *, regex: bool = False) -> str:
    """Return a path with {name} for its parameters and * for what takes the rest; regex: it is a regular expression.

    An expression without an end takes everything that follows; ``/?`` at the end stays, a slash that may be missing.
    """
    if regex:
        open_end = not path.endswith(("$", "\\Z"))
        path = _REGEX_GROUP.sub(r"{\1}", path.removeprefix("^").removesuffix("$").removesuffix("\\Z"))
        path = _REST.sub("*", path)
        path = re.sub(r"\[[^\]]*\][+*]?|\\[wd][+*]?", "{…}", _PLAIN_GROUP.sub("{…}", path)).replace("\\", "")
        path = path + "*" if open_end and path.endswith("/") else path
    path = _REST.sub("*", path)
    path = _PARAMETER.sub(lambda m: "{" + (m[1] or m[2] or m[3]) + "}", path)
    path = re.sub(r"(?<!:)//+", "/", path)
    return path if path.startswith(("/", "*")) else "/" + path
