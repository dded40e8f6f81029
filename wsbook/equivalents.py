"""An upgrade attempt as commands that anybody can repeat without wsbook: curl and websocat, quoted for a POSIX shell. Pure.

Secrets stand there as variables of the shell, never in clear: a reference ``${env:NAME}`` becomes ``${NAME}``, and a value that its
header's name gives away becomes a variable called after the header.
"""

import re
from collections.abc import Iterable
from shlex import quote

from wsbook.attempt import Attempt, Family
from wsbook.facts import Headers
from wsbook.secret import SECRET_HEADERS, has_reference
from wsbook.target import Endpoint, parse_endpoint
from wsbook.wire.handshake import URL_CREDENTIALS, request_target

__all__ = ["commands", "curl_command", "shell_word", "websocat_command"]

_REFERENCE = re.compile(r"\$\{(?P<kind>env|file):(?P<name>[^}\s]+)\}")
_BARE = re.compile(r"env:(?P<name>[A-Za-z_]\w*)")
_OWN = frozenset({"host", "connection", "upgrade", "sec-websocket-key", "sec-websocket-version"})
"""Headers that websocat writes itself."""


def shell_word(text: str) -> str:
    """Return the text as one word of a POSIX shell; secret references in it become variables, or the content of their file."""
    whole = _BARE.fullmatch(text)
    text = f"${{env:{whole['name']}}}" if whole else text
    if not has_reference(text):
        return quote(text)
    pieces, position = [], 0
    for match in _REFERENCE.finditer(text):
        pieces.append(_inside_quotes(text[position : match.start()]))
        pieces.append(f"${{{match['name']}}}" if match["kind"] == "env" else f"$(cat {quote(match['name'])})")
        position = match.end()
    return '"' + "".join([*pieces, _inside_quotes(text[position:])]) + '"'


def _inside_quotes(text: str) -> str:
    return re.sub(r'([\\"$`])', r"\\\1", text)


def _header(attempt: Attempt, name: str, value: str) -> str:
    """Return one header line as a shell word."""
    if value == URL_CREDENTIALS:
        user = attempt.endpoint.userinfo
        shown = shell_word(user) if has_reference(user) else '"${URL_CREDENTIALS}"'
        return f"\"{name}: Basic $(printf %s {shown} | base64 | tr -d '\\n')\""
    if has_reference(value):
        return shell_word(f"{name}: {f'${{{value}}}' if _BARE.fullmatch(value) else value}")
    if name.lower() in SECRET_HEADERS:
        return shell_word(f"{name}: ${{env:{_variable(name)}}}")
    return shell_word(f"{name}: {value}")


def _variable(name: str) -> str:
    return re.sub(r"\W", "_", name).upper()


def _proxy(via: str) -> str:
    """Return the forward proxy's URL as a shell word, a user and password in clear replaced by a variable."""
    parts = parse_endpoint(via, ("http", "https"))
    user = parts.userinfo if not parts.userinfo or has_reference(parts.userinfo) else "${env:PROXY_CREDENTIALS}"
    return shell_word(f"{parts.scheme}://{user}{'@' if user else ''}{parts.authority}")


def _seconds(attempt: Attempt) -> str:
    return f"{attempt.timeout_s:g}"


def _where(attempt: Attempt, endpoint: Endpoint) -> list[str]:
    """Return curl's options that decide where it connects and what TLS it accepts."""
    options = {Family.IPV4: ["-4"], Family.IPV6: ["-6"]}.get(attempt.family, [])
    if attempt.via:
        options += ["--proxytunnel", "--proxy", _proxy(attempt.via)]
    if attempt.address and not attempt.via:
        address = f"[{attempt.address}]" if ":" in attempt.address else attempt.address
        host = attempt.server_name or endpoint.host
        options += ["--resolve", shell_word(f"{host}:{endpoint.port}:{address}")]
    elif attempt.server_name:
        options += ["--connect-to", shell_word(f"{attempt.server_name}:{endpoint.port}:{endpoint.host}:{endpoint.port}")]
    if endpoint.secure and attempt.ca_file:
        options += ["--cacert", shell_word(attempt.ca_file)]
    options += ["--no-alpn"] if endpoint.secure and not attempt.alpn else []
    return options + (["-k"] if endpoint.secure and not attempt.verify else [])


def _http_url(attempt: Attempt, endpoint: Endpoint) -> str:
    """Return the URL for curl: the name that TLS is to ask for stands in it, because curl sends no other."""
    authority = endpoint.authority.replace(endpoint.host, attempt.server_name, 1) if attempt.server_name else endpoint.authority
    return f"{'https' if endpoint.secure else 'http'}://{authority}{request_target(endpoint.resource)}"


def curl_command(attempt: Attempt, headers: Headers) -> str:
    """Return the curl command that sends the same request, byte for byte over HTTP/1.1; "" when curl cannot: TLS without SNI.

    headers: as request_headers() gave them, secret references unresolved. --max-time ends curl, which keeps an accepted
    upgrade open: exit code 28 after a printed 101 is success.
    """
    endpoint = attempt.endpoint
    if endpoint.secure and attempt.server_name == "":
        return ""
    version = "--http2" if endpoint.secure and "h2" in attempt.alpn else f"--http{attempt.http_version}"
    words = ["curl", "-i", "-N", "-g", version, "--path-as-is", "--max-time", _seconds(attempt), *_where(attempt, endpoint)]
    own_authority = _http_url(attempt, endpoint).split("/")[2]
    for position, (name, value) in enumerate(headers):
        if name.lower() == "host" and value == own_authority:
            continue
        if name.lower() == "user-agent" and position == 1:
            words += ["-A", shell_word(value)]
        else:
            words += ["-H", shell_word(f"{name};") if value == "" else _header(attempt, name, value)]
    return " ".join([*words, "-H", "Accept:", shell_word(_http_url(attempt, endpoint))])


def websocat_command(attempt: Attempt, headers: Headers) -> str:
    """Return the websocat command that opens the same WebSocket and shows its messages.

    "" where websocat 1.x has no such option: an HTTP proxy, another name in TLS, a Host of its own, a request that asks for no
    upgrade or for half of one. It offers no extensions.
    """
    endpoint = attempt.endpoint
    renamed = attempt.server_name not in (None, endpoint.host) or attempt.host_header not in (None, endpoint.authority)
    plain = not attempt.upgrade or attempt.omit or attempt.http_version != "1.1"
    if attempt.via or renamed or plain or any(name.lower() == "host" for name, _ in attempt.headers):
        return ""
    words = [f"SSL_CERT_FILE={shell_word(attempt.ca_file)}"] if endpoint.secure and attempt.ca_file else []
    words += ["websocat", "-v", *(["-k"] if endpoint.secure and not attempt.verify else [])]
    words += [f"--websocket-version={attempt.version}"] if attempt.version != 13 else []
    words += [option for name, value in headers for option in _websocat_header(attempt, name, value)]
    url = shell_word(f"{endpoint.scheme}://{endpoint.authority}{request_target(endpoint.resource)}")
    if not attempt.address:
        return " ".join([*words, url])
    address = f"[{attempt.address}]" if ":" in attempt.address else attempt.address
    inner = f"tls-connect:tcp:{address}:{endpoint.port}" if endpoint.secure else f"tcp:{address}:{endpoint.port}"
    named = [f"--tls-domain={shell_word(endpoint.host)}"] if endpoint.secure else []
    return " ".join([*words, *named, f"--ws-c-uri={url}", "-", shell_word(f"ws-c:{inner}")])


def _websocat_header(attempt: Attempt, name: str, value: str) -> Iterable[str]:
    lower = name.lower()
    if lower in _OWN or lower == "sec-websocket-extensions":
        return ()
    if lower == "sec-websocket-protocol":
        return (f"--protocol={shell_word(value)}",)
    return (f"-H={_header(attempt, name, value)}",)


def commands(attempt: Attempt, headers: Headers) -> tuple[tuple[str, str], ...]:
    """Return (tool, command) for each tool that can repeat the attempt."""
    made = (("curl", curl_command(attempt, headers)), ("websocat", websocat_command(attempt, headers)))
    return tuple((tool, text) for tool, text in made if text)
