"""What lies below HTTP: names, ports, forward proxies, large packets."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from wsbook.facts import ForwardProxyFacts, NameFacts, PacketFacts, PortFacts, Tunnel
from wsbook.observation import Observation
from wsbook.views.tables.frames import frame, milliseconds, rows_of
from wsbook.words import cap

__all__ = ["table_packets", "table_ports", "table_proxy"]


def table_ports(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return each name, address and port that was tried, its state, and what said so."""
    seen_all = tuple(observations)
    rows: list[dict[str, Any]] = [
        {"host": facts.host, "family": family, "address": address, "state": "resolved", "round trip (ms)": milliseconds(seen.duration_s)}
        for seen, facts in rows_of(seen_all, NameFacts)
        for family, address in facts.addresses
    ]
    for _, facts in rows_of(seen_all, PortFacts):
        rows.append(
            {
                "host": facts.host,
                "family": "ipv6" if ":" in facts.address else "ipv4",
                "address": facts.address,
                "port": str(facts.port),
                "state": facts.state,
                "round trip (ms)": milliseconds(facts.rtt_s),
                "told by": cap(facts.how, 80),
                "then": cap(facts.afterwards, 60),
            }
        )
    empty = {"port": "", "told by": "", "then": ""}
    columns = ["host", "family", "address", "port", "state", "round trip (ms)", "told by", "then"]
    return frame([{**empty, **row} for row in rows], columns)


def _tunnel(facts: ForwardProxyFacts, asked: str, one: Tunnel) -> dict[str, Any]:
    return {
        "forward proxy": cap(facts.proxy, 60),
        "named by": cap(facts.source, 40),
        "asked": f"{asked} {cap(one.target, 60)}",
        "answer": f"{one.status} {cap(one.reason, 60)}".strip() if one.status is not None else cap(one.outcome, 60),
        "wants": ", ".join(one.schemes),
        "says": cap("; ".join(filter(None, (one.title, *(f"{name}: {value}" for name, value in one.headers)))), 100),
        "time (ms)": milliseconds(one.duration_s),
    }


def table_proxy(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return what each forward proxy answered to what it was asked."""
    rows = []
    for _, facts in rows_of(observations, ForwardProxyFacts):
        rows += [_tunnel(facts, "CONNECT", one) for one in facts.tunnels]
        rows += [_tunnel(facts, "GET ws", facts.absolute)] if facts.absolute else []
        if not facts.tunnels:
            rows.append({**_tunnel(facts, "", Tunnel(target="")), "asked": "", "answer": cap(facts.detail, 80)})
    return frame(rows, ["forward proxy", "named by", "asked", "answer", "wants", "says", "time (ms)"])


def table_packets(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return each size that was sent, whether it was answered, and what the kernel counted meanwhile."""
    rows = [
        {
            "sent": trial.what,
            "size (B)": trial.size_bytes,
            "outcome": trial.outcome,
            "time (ms)": milliseconds(trial.took_s),
            "not acknowledged": trial.unacked,
            "sent again": trial.retransmits,
            "segment (B)": trial.mss_bytes,
            "came out of order": trial.out_of_order,
            "path MTU (B)": trial.path_mtu_bytes,
            "detail": cap(trial.detail),
        }
        for _, facts in rows_of(observations, PacketFacts)
        for trial in facts.trials
    ]
    counted = ["not acknowledged", "sent again", "came out of order", "segment (B)", "path MTU (B)"]
    columns = ["sent", "size (B)", "outcome", "time (ms)", *counted, "detail"]
    return frame(rows, columns)
