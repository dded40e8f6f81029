"""Where curl, openssl s_client, nc and wscat got no answer, and the certificates that they show. Must not judge them.

OpenSSL's words for its verdicts stand in dump_ends.toml.
"""

import re
from datetime import UTC, datetime
from functools import cache

from wsbook.datafile import read_table
from wsbook.facts import TlsFacts
from wsbook.observation import Failure
from wsbook.parsers.failures import find_failure

__all__ = ["find_end", "find_tls"]

UNKNOWN_ISSUER = 20
URL = re.compile(r"(?:wss?|https?)://[^\s'\"<>]{1,500}")
PEER = re.compile(
    r"(?:-connect |-servername |connect to |Failed to connect to |Could not resolve host: |[Cc]onnection to )"
    r"\[?(?P<host>[\w.-]{1,253}|[0-9a-fA-F:]+)\]?(?:(?::| port |,? )(?P<port>\d{1,5}))?"
)
FIELDS: dict[str, tuple[str, ...]] = {
    "version": (r"SSL connection using (TLSv[\d.]+|SSLv\d)", r"^New, (TLSv[\d.]+|SSLv\d)", r"^\s*Protocol\s*: (TLSv[\d.]+|SSLv\d)"),
    "cipher": (r"SSL connection using \S+ / (\S+)", r"Cipher is ([A-Z][\w-]+)", r"^\s*Cipher\s*: ([A-Z][\w-]+)"),
    "alpn": (r"ALPN: server accepted (?:to use )?(\S+)", r"^ALPN protocol: (\S+)", r"ALPN, server accepted to use (\S+)"),
    "subject": (r"^\*?\s+subject: (.+)$", r"^subject=\s?(.+)$", r"^ 0 s:\s?(.+)$"),
    "issuer": (r"^\*?\s+issuer: (.+)$", r"^issuer=\s?(.+)$", r"^ 0 s:.*\n\s+i:\s?(.+)$"),
    "server_name": (r"-servername (\S+)", r"-connect \[?([\w.-]+)"),
}
CODE = re.compile(r"Verify return code: (\d+) \(([^)\n]{1,200})\)|SSL certificate verify result: ([^\n]{1,200}?) \((\d+)\)")
PROBLEM = re.compile(
    r"SSL certificate problem: ([^\n]{1,200})|no alternative certificate subject name matches|subject name .{0,80} does not match"
)
DATES = (
    (r"(?:start date|NotBefore|notBefore)[:=]\s?", "not_before"),
    (r"(?:expire date|NotAfter|notAfter)[:=]\s?", "not_after"),
)
DATE = r"([A-Z][a-z]{2}\s+\d{1,2} \d\d:\d\d:\d\d \d{4}) GMT"
NAMES = re.compile(r"subjectAltName: (?:host )?\"[^\"]*\" matched cert's \"([^\"]+)\"|DNS:([\w.*-]{1,253})")
CHAIN = re.compile(r"^ ?\d+ s:", re.MULTILINE)


@cache
def _codes() -> tuple[tuple[str, int], ...]:
    table = read_table("parsers/recordings/dump_ends.toml")
    return tuple((row["words"], row["code"]) for row in table["verdict"])


def find_end(text: str) -> tuple[str, Failure] | None:
    """Return (URL or address tried, "" unknown; the failure) of a text in which a tool says that it got no answer; None when none does."""
    failure = find_failure(text)
    return None if failure is None else (_tried(text), failure)


def _tried(text: str) -> str:
    if url := URL.search(text):
        return url[0].rstrip(".,;)")
    peer = PEER.search(text)
    if peer is None:
        return ""
    secure = "s_client" in text or "CONNECTED(" in text
    return f"{'wss' if secure else 'ws'}://{peer['host']}{':' + peer['port'] if peer['port'] else ''}/"


def _field(name: str, text: str) -> str:
    found = next(filter(None, (re.search(pattern, text, re.MULTILINE) for pattern in FIELDS[name])), None)
    return found[1].strip()[:500] if found else ""


def _dates(text: str) -> dict[str, str]:
    dates = {}
    for label, name in DATES:
        if found := re.search(label + DATE, text):
            try:
                stamp = datetime.strptime(" ".join(found[1].split()), "%b %d %H:%M:%S %Y").replace(tzinfo=UTC)
            except ValueError:
                continue
            dates[name] = stamp.isoformat().replace("+00:00", "Z")
    return dates


def _verdict(text: str) -> tuple[int | None, str]:
    if found := CODE.search(text):
        return int(found[1] or found[4]), found[2] or found[3]
    if found := PROBLEM.search(text):
        words = (found[1] or found[0]).strip()
        return next((code for said, code in _codes() if said in words.lower()), UNKNOWN_ISSUER), words
    return (0, "ok") if "SSL certificate verify ok" in text else (None, "")


def find_tls(text: str) -> TlsFacts | None:
    """Return what curl -v or openssl s_client shows of TLS, None when it shows none."""
    code, words = _verdict(text)
    version, cipher = _field("version", text), _field("cipher", text)
    if not version and code is None:
        return None
    shown = code is not None and "no peer certificate available" not in text
    dates = _dates(text)
    return TlsFacts(
        server_name=_field("server_name", text),
        version=version or None,
        cipher=cipher or None,
        alpn=_field("alpn", text) or None,
        subject=_field("subject", text),
        issuer=_field("issuer", text),
        names=tuple(dict.fromkeys(found[1] or found[2] for found in NAMES.finditer(text)))[:100],
        chain_length=len(CHAIN.findall(text)) or None,
        verify_code=code if shown else None,
        verify_message=words if shown else "",
        not_before=dates.get("not_before", ""),
        not_after=dates.get("not_after", ""),
    )
