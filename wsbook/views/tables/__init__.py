"""Observations and findings as plain data frames: one row for each thing seen, units in the column names.

Judges nothing, displays nothing, and never returns a Styler.
"""

from wsbook.views.tables.artifacts import table_endpoints, table_idle_limits, table_patterns, table_rehearsals, table_routes
from wsbook.views.tables.browser import table_browser, table_cookies
from wsbook.views.tables.cluster import table_broadcast, table_instances, table_passes, table_talks
from wsbook.views.tables.flow import OPCODES, direction_word, table_frames, table_sessions
from wsbook.views.tables.frames import frame, rows_of
from wsbook.views.tables.handshake import (
    answered_s,
    is_attempt,
    table_attempts,
    table_checks,
    table_echo,
    table_stages,
    table_tls,
)
from wsbook.views.tables.heartbeat import table_beats, table_idle
from wsbook.views.tables.hops import table_hops
from wsbook.views.tables.judgement import (
    table_events,
    table_findings,
    table_inputs,
    table_looks,
    table_not_looked,
    table_seen,
    table_steps,
    table_suspects,
)
from wsbook.views.tables.listener import table_certificates, table_listener, table_redirects
from wsbook.views.tables.load import table_load, table_lossy, table_page_load, table_thresholds
from wsbook.views.tables.logs import table_access, table_logged, table_signatures, table_templates
from wsbook.views.tables.messages import table_commands, table_compression, table_dialect, table_framing, table_sizes
from wsbook.views.tables.network import table_packets, table_ports, table_proxy
from wsbook.views.tables.origin import table_cors, table_origin
from wsbook.views.tables.pairs import table_pairs
from wsbook.views.tables.reconnect import table_outages
from wsbook.views.tables.server import table_crowd, table_pulses, table_server
from wsbook.views.tables.trace import table_burst, table_clocks, table_page_events, table_trace

__all__ = [
    "OPCODES",
    "answered_s",
    "direction_word",
    "frame",
    "is_attempt",
    "rows_of",
    "table_access",
    "table_attempts",
    "table_beats",
    "table_broadcast",
    "table_browser",
    "table_burst",
    "table_certificates",
    "table_checks",
    "table_clocks",
    "table_commands",
    "table_compression",
    "table_cookies",
    "table_cors",
    "table_crowd",
    "table_dialect",
    "table_echo",
    "table_endpoints",
    "table_events",
    "table_findings",
    "table_frames",
    "table_framing",
    "table_hops",
    "table_idle",
    "table_idle_limits",
    "table_inputs",
    "table_instances",
    "table_listener",
    "table_load",
    "table_logged",
    "table_looks",
    "table_lossy",
    "table_not_looked",
    "table_origin",
    "table_outages",
    "table_packets",
    "table_page_events",
    "table_page_load",
    "table_pairs",
    "table_passes",
    "table_patterns",
    "table_ports",
    "table_proxy",
    "table_pulses",
    "table_redirects",
    "table_rehearsals",
    "table_routes",
    "table_seen",
    "table_server",
    "table_sessions",
    "table_signatures",
    "table_sizes",
    "table_stages",
    "table_steps",
    "table_suspects",
    "table_talks",
    "table_templates",
    "table_thresholds",
    "table_tls",
    "table_trace",
]
