"""What each step of a notebook can show: its tables and pictures by name. Data; it runs and judges nothing."""

from collections.abc import Callable, Iterable

import pandas as pd

from wsbook.observation import Observation
from wsbook.views import (
    charts,
    charts_cluster,
    charts_flow,
    charts_grid,
    charts_heartbeat,
    charts_load,
    charts_logs,
    charts_moments,
    charts_network,
    charts_origin,
    charts_reconnect,
    charts_server,
    charts_trace,
    tables,
)
from wsbook.views.drawing import Picture

__all__ = ["PLOTS", "TABLES", "WANTING", "Plot", "Table"]

Table = Callable[[Iterable[Observation]], pd.DataFrame]
Plot = Callable[[Iterable[Observation]], Picture | None]

TABLES: dict[str, dict[str, Table]] = {
    "0": {"seen": tables.table_seen},
    "1.1": {"pairs": tables.table_pairs, "endpoints": tables.table_endpoints, "seen": tables.table_seen},
    "1.2": {
        "browser": tables.table_browser,
        "attempts": tables.table_attempts,
        "cookies": tables.table_cookies,
        "sessions": tables.table_sessions,
        "frames": tables.table_frames,
        "seen": tables.table_seen,
    },
    "1.3": {
        "attempts": tables.table_attempts,
        "checks": tables.table_checks,
        "echo": tables.table_echo,
        "framing": tables.table_framing,
        "sizes": tables.table_sizes,
        "compression": tables.table_compression,
        "dialect": tables.table_dialect,
        "commands": tables.table_commands,
        "tls": tables.table_tls,
        "certificates": tables.table_certificates,
        "listener": tables.table_listener,
        "redirects": tables.table_redirects,
    },
    "1.4": {
        "signatures": tables.table_signatures,
        "access": tables.table_access,
        "logged": tables.table_logged,
        "templates": tables.table_templates,
        "seen": tables.table_seen,
    },
    "2.1": {
        "ports": tables.table_ports,
        "proxy": tables.table_proxy,
        "packets": tables.table_packets,
        "tls": tables.table_tls,
        "seen": tables.table_seen,
    },
    "2.2": {
        "hops": tables.table_hops,
        "attempts": tables.table_attempts,
        "routes": tables.table_routes,
        "idle limits": tables.table_idle_limits,
        "rehearsals": tables.table_rehearsals,
        "instances": tables.table_instances,
        "sessions": tables.table_talks,
    },
    "3.1": {"patterns": tables.table_patterns, "outages": tables.table_outages},
    "3.2": {
        "broadcast": tables.table_broadcast,
        "passes": tables.table_passes,
        "patterns": tables.table_patterns,
        "crowd": tables.table_crowd,
        "server": tables.table_server,
        "pulses": tables.table_pulses,
    },
    "3.3": {"origin": tables.table_origin, "cors": tables.table_cors, "attempts": tables.table_attempts},
    "3.4": {"idle": tables.table_idle, "heartbeats": tables.table_beats},
    "4.1": {
        "trace": tables.table_trace,
        "page": tables.table_page_events,
        "burst": tables.table_burst,
        "clocks": tables.table_clocks,
    },
    "4.2": {
        "load": tables.table_load,
        "lossy": tables.table_lossy,
        "thresholds": tables.table_thresholds,
        "page": tables.table_page_load,
    },
}
"""Step → its tables by name, the main one first."""

PLOTS: dict[str, tuple[Plot, ...]] = {
    "1.2": (charts_flow.plot_frames, charts.plot_stages),
    "1.3": (charts.plot_stages,),
    "1.4": (charts_logs.plot_lifetimes,),
    "2.1": (charts_network.plot_packets, charts_network.plot_ways),
    "2.2": (charts.plot_stages, charts_cluster.plot_instances),
    "3.2": (charts_cluster.plot_broadcast, charts_server.plot_crowd, charts_server.plot_server, charts_server.plot_pulses),
    "3.1": (charts_reconnect.plot_outages,),
    "3.3": (charts_origin.plot_origin,),
    "3.4": (charts_heartbeat.plot_idle,),
    "4.1": (charts_trace.plot_trace, charts_trace.plot_steps, charts_trace.plot_burst),
    "4.2": (
        charts_load.plot_load,
        charts_moments.plot_moments,
        charts_grid.plot_grid,
        charts_load.plot_tail,
        charts_load.plot_lossy,
        charts_moments.plot_page_load,
    ),
}
"""Step → its pictures; the first that can be drawn is shown."""

WANTING = {
    "plot steps": "two messages that arrived are needed",
    "plot burst": "no burst of events was set off",
    "plot moments": "no run that counts was told moment by moment",
    "plot grid": "runs at several rates and numbers of connections or sizes are needed; the budget thorough makes them",
    "plot tail": "no run that counts has latencies",
    "plot lossy": "no run that counts has a connection that missed anything",
    "table lossy": "no run that counts has a connection that missed anything",
    "plot page_load": "a page, and a trigger or a message that makes the application publish, are needed",
    "table clocks": "no other clock was met",
    "table page": "nothing was seen in a page",
    "table burst": "no burst of events was set off",
}
"""A view → why it is usually empty; of the others nothing of their kind was seen."""
