"""What a browser makes of the CORS headers of an answer. Pure; it must not know what the answer was for.

https://fetch.spec.whatwg.org/#cors-check and #cors-preflight-fetch. The opening handshake of a WebSocket is no CORS request: nothing
here is asked of it (https://websockets.spec.whatwg.org/#opening-handshake), only of the HTTP requests beside it.
"""

from collections.abc import Iterable

from wsbook.facts import Headers

__all__ = ["check_answer", "check_preflight", "values_of"]

_SAFE_METHODS = frozenset({"GET", "HEAD", "POST"})


def values_of(headers: Headers, name: str) -> tuple[str, ...]:
    """Return every value of a header, in order; the name in any case."""
    return tuple(value.strip() for key, value in headers if key.lower() == name)


def check_answer(headers: Headers, origin: str, *, credentials: bool) -> str:
    """Return why a script of this origin may not read an answer, "" when it may.

    credentials: whether the request carries cookies on purpose (withCredentials, credentials: "include").
    """
    allowed = values_of(headers, "access-control-allow-origin")
    if not allowed:
        return "the answer has no Access-Control-Allow-Origin"
    value = ", ".join(allowed)
    if len(allowed) > 1:
        return f"the answer has {len(allowed)} headers Access-Control-Allow-Origin: {value[:80]}"
    if value == "*" and not credentials:
        return ""
    if value == "*":
        return "Access-Control-Allow-Origin is *, which does not hold for requests with cookies"
    if value != origin:
        return f"Access-Control-Allow-Origin is {value[:80]}"
    if credentials and values_of(headers, "access-control-allow-credentials") != ("true",):
        return "the answer has no Access-Control-Allow-Credentials: true, and the request carries cookies"
    return ""


def check_preflight(status: int | None, headers: Headers, origin: str, method: str, asked: Iterable[str], *, credentials: bool) -> str:
    """Return why the request behind a preflight is not sent, "" when it is. asked: names of its headers that need permission."""
    if failed := check_answer(headers, origin, credentials=credentials):
        return failed
    if status is None or not 200 <= status <= 299:
        return f"the preflight is answered {status}"
    methods = _listed(headers, "access-control-allow-methods")
    if method not in _SAFE_METHODS and method not in methods and not ("*" in methods and not credentials):
        return f"Access-Control-Allow-Methods does not name {method}"
    names = {name.lower() for name in _listed(headers, "access-control-allow-headers")}
    lacking = [name for name in asked if name.lower() not in names and ("*" not in names or credentials or name.lower() == "authorization")]
    return f"Access-Control-Allow-Headers does not name {', '.join(lacking)[:80]}" if lacking else ""


def _listed(headers: Headers, name: str) -> set[str]:
    return {one.strip() for value in values_of(headers, name) for one in value.split(",") if one.strip()}
