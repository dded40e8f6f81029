"""What a listener shows: its certificates, what it accepts, and where its redirects lead."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from wsbook.facts import Http2Facts, RedirectFacts, TlsFacts, TlsScanFacts, UpgradeFacts
from wsbook.finding import Verdict
from wsbook.observation import Observation
from wsbook.views.tables.frames import frame, rows_of
from wsbook.words import MARKS, cap

__all__ = ["table_certificates", "table_listener", "table_redirects"]

_ANSWERS = {True: f"{MARKS[Verdict.CLEAR]} yes", False: f"{MARKS[Verdict.NOT_APPLICABLE]} no", None: f"{MARKS[Verdict.UNKNOWN]} not known"}


def table_certificates(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return each certificate of each chain, leaf first, as it was sent; equal chains once."""
    seen_all = tuple(observations)
    shown = [facts for _, facts in rows_of(seen_all, TlsFacts)] + [facts.tls for _, facts in rows_of(seen_all, UpgradeFacts) if facts.tls]
    chains = dict.fromkeys((facts.server_name, facts.chain) for facts in shown if facts.chain)
    rows = [
        {
            "server name": name or "(none sent)",
            "sent as": f"{number} of {len(chain)}",
            "subject": cap(one.subject, 60),
            "issuer": cap(one.issuer, 60),
            "names": cap(", ".join(one.names), 80),
            "not before": one.not_before,
            "not after": one.not_after,
            "key": one.key,
            "signature": one.signature,
        }
        for name, chain in chains
        for number, one in enumerate(chain, start=1)
    ]
    return frame(rows, ["server name", "sent as", "subject", "issuer", "names", "not before", "not after", "key", "signature"])


def _scan_rows(facts: TlsScanFacts) -> list[dict[str, Any]]:
    where = f"{facts.host}:{facts.port}"
    rows = [
        {
            "listener": where,
            "question": f"accepts {trial.version}",
            "answer": _ANSWERS[trial.accepted],
            "detail": trial.cipher or trial.detail,
        }
        for trial in facts.versions
    ]
    detail = "; ".join(filter(None, (", ".join(facts.client_authorities[:4]), facts.refused_after)))
    asked = {"question": "asks for a client certificate", "answer": _ANSWERS[facts.client_certificate], "detail": detail}
    return [*rows, {"listener": where, **asked}]


def _http2_rows(facts: Http2Facts) -> list[dict[str, Any]]:
    status = f"answered {facts.status}" if facts.status is not None else facts.ended
    questions = (
        ("speaks HTTP/2", facts.spoken, ""),
        ("announces WebSockets over HTTP/2", facts.extended_connect, "SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441)"),
        ("accepts one over HTTP/2", None if facts.status is None else 200 <= facts.status < 300, status),
    )
    place = facts.url.split("/")[2] if facts.url.count("/") >= 2 else facts.url
    shown = questions if facts.extended_connect else questions[:2] if facts.spoken else questions[:1]
    return [{"listener": place, "question": asked, "answer": _ANSWERS[answer], "detail": detail} for asked, answer, detail in shown]


def table_listener(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return what a TLS listener accepts beside the one handshake: versions, client certificates, HTTP/2."""
    seen_all = tuple(observations)
    rows = [row for _, facts in rows_of(seen_all, TlsScanFacts) for row in _scan_rows(facts)]
    rows += [row for _, facts in rows_of(seen_all, Http2Facts) for row in _http2_rows(facts)]
    return frame([{**row, "detail": cap(row["detail"], 120)} for row in rows], ["listener", "question", "answer", "detail"])


def table_redirects(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return each redirect of an upgrade in its order, and what the last URL answered."""
    rows: list[dict[str, Any]] = []
    for _, facts in rows_of(observations, RedirectFacts):
        rows += [
            {
                "asked": cap(hop.url, 120),
                "answer": str(hop.status),
                "leads to": cap(hop.location, 120),
                "not sent on": ", ".join(hop.withheld),
            }
            for hop in facts.hops
        ]
        answer = f"{facts.final_status} {facts.ended}" if facts.final_status is not None else facts.ended
        rows.append({"asked": cap(facts.final_url, 120), "answer": answer, "leads to": cap(facts.detail, 120), "not sent on": ""})
    return frame(rows, ["asked", "answer", "leads to", "not sent on"])
