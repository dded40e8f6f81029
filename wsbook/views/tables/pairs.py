"""What the frontend dials beside what the backend offers, the part that differs marked."""

from collections.abc import Iterable
from urllib.parse import urlsplit

import pandas as pd

from wsbook.evidence import Evidence
from wsbook.facts import EndpointFacts
from wsbook.observation import Observation
from wsbook.rules.pairing import Pair, pairs
from wsbook.target import Target
from wsbook.views.tables.frames import frame
from wsbook.words import cap

__all__ = ["table_pairs"]

_COLUMNS = ["dialled", "arrives as", "offered", "differs", "client", "server", "dialled at", "offered at", "holds"]


def table_pairs(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return one row per dialled endpoint, beside the offered one that it most plausibly means; »…« marks what differs."""
    seen = list(observations)
    page = next((one.source.artifact for one in seen if one.source.probe == "bundles"), "")
    return frame([_row(pair) for pair in pairs(Evidence(Target(url="", page_url=page), seen))], _COLUMNS)


def _row(pair: Pair) -> dict[str, str]:
    client, server = pair.dialled[1], pair.offered[1] if pair.offered else None
    unknown = client.url is None and client.origin is None and client.path is None
    return {
        "dialled": cap(f"? {client.expression}" if unknown else _url(client, pair.differs)),
        "arrives as": cap(f"{pair.path} by {pair.via}") if pair.via else "",
        "offered": _mark(server.path or "any path", _path_differs(pair.differs)) if server else "",
        "differs": ", ".join(pair.differs) or ("nothing" if server else ""),
        "client": _library(client, pair.differs) + (" (built)" if client.built else ""),
        "server": _library(server, pair.differs) if server else "",
        "dialled at": f"{client.file}:{client.line}",
        "offered at": f"{server.file}:{server.line}" if server else "",
        "holds": client.condition or "always",
    }


def _mark(text: str, differs: bool) -> str:
    return f"»{text}«" if differs else text


def _path_differs(differs: Iterable[str]) -> bool:
    return bool({"path", "slash", "case"} & set(differs))


def _library(facts: EndpointFacts, differs: Iterable[str]) -> str:
    version = f" {_mark(facts.version, 'version' in differs)}" if facts.version else ""
    return _mark(facts.library, "library" in differs) + version


def _url(facts: EndpointFacts, differs: Iterable[str]) -> str:
    """Return the URL with its parts marked, as far as they are known."""
    path = _mark(facts.path or "", _path_differs(differs)) if facts.path else "/…"
    try:
        parts = urlsplit(facts.url or facts.origin or "")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return facts.url or facts.expression
    if not host:
        return f"page's host{path}"
    shown = f":{_mark(str(port), 'port' in differs)}" if port else ""
    return f"{_mark(parts.scheme, 'scheme' in differs)}://{_mark(host, 'host' in differs)}{shown}{path}"
