"""What a message carries: run, connection, number and due time, as 24 bytes or as text. It must not know frames or sockets.

The header is ``run connection number due``: 4 bytes as drawn, then little-endian uint32, uint64, uint64. connection: number of the sending
connection over all shards (plan.first_connection + index); number: from 0 per connection; due: when it should have left, ns since the epoch.

The text form is ``wsbook-`` and 32 lower-case hexadecimal digits, which probes/marker.py knows as a marker: run 8, connection 5, number 9,
due 10. There due is in µs since the epoch modulo 2**40 (12 days), and the instant nearest to now is meant.
"""

import re

import numpy as np

__all__ = ["HEADER", "HEADER_BYTES", "MARK_BYTES", "MARK_PREFIX", "TEXT_MARK"]

HEADER = np.dtype([("run", "V4"), ("connection", "<u4"), ("number", "<u8"), ("due", "<u8")])
HEADER_BYTES = HEADER.itemsize
MARK_PREFIX = b"wsbook-"
MARK_BYTES = len(MARK_PREFIX) + 32
TEXT_MARK = re.compile(rb"wsbook-([0-9a-f]{8})([0-9a-f]{5})([0-9a-f]{9})([0-9a-f]{10})(?![0-9a-f])")
