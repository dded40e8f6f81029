"""A server's figures from its metrics URL, in the Prometheus text format. It must not know what burdens the server."""

import asyncio
import math
import re
from functools import cache

import httpx

from wsbook.datafile import read_table
from wsbook.probes.process_watch import Reading
from wsbook.probes.trust import trusting
from wsbook.secret import resolve

__all__ = ["Meters", "parse_metrics"]

_TIMEOUT_S = 2.0
_MOST_BYTES = 4 * 1024 * 1024
_AS_IT_IS = {"Accept-Encoding": "identity"}
_LINE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{[^\n]*\})?[ \t]+([^ \t\n]+)(?:[ \t]+-?\d+)?[ \t]*\Z")


def parse_metrics(text: str) -> dict[str, float]:
    """Return name → value of a Prometheus text; the series of one name are added, what is no number is left out."""
    found: dict[str, float] = {}
    for line in text.splitlines():
        match = _LINE.match(line) if line and not line.startswith("#") else None
        if match is None:
            continue
        try:
            value = float(match[2])
        except ValueError:
            continue
        if math.isfinite(value):
            found[match[1]] = found.get(match[1], 0.0) + value
    return found


@cache
def _names() -> dict[str, list[str]]:
    return dict(read_table("probes/metrics.toml"))


class Meters:
    """A metrics URL that is read again and again; an async context manager.

    started: when the process that answered last was started, None not told; another value is another process, behind a balancer or
    after a restart. why: why there is nothing to read, "" when there is.
    """

    def __init__(self, url: str, ca_file: str = "") -> None:
        self._url = resolve(url)
        self._client = httpx.AsyncClient(trust_env=False, timeout=_TIMEOUT_S, verify=trusting(ca_file))
        self.started: float | None = None
        self.collected = True
        self.descriptor_limit: int | None = None
        self.why = ""

    async def __aenter__(self) -> "Meters":
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._client.aclose()

    async def read(self) -> Reading | None:
        """Return the figures; None, with why, when there are none."""
        try:
            text = await self._text()
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            self.why = f"the metrics URL did not answer: {str(error)[:200] or type(error).__name__}"
            return None
        found = parse_metrics(text)
        values = {field: next((found[name] for name in names if name in found), None) for field, names in _names().items()}
        reading = _reading(values)
        if reading.memory_bytes is None and reading.descriptors is None:
            self.why = self.why or "the metrics URL tells neither the memory nor the descriptors of a process"
            return None
        limit, self.started = values["descriptor_limit"], values["started"]
        self.descriptor_limit = int(limit) if limit and limit < 2**31 else None
        self.collected = values["frees_at_once"] is None
        return reading

    async def _text(self) -> str:
        async with asyncio.timeout(_TIMEOUT_S), self._client.stream("GET", self._url, headers=_AS_IT_IS) as answer:
            if answer.status_code != 200:
                self.why = f"the metrics URL was answered with HTTP {answer.status_code}"
                return ""
            data = bytearray()
            async for chunk in answer.aiter_raw():
                data += chunk
                if len(data) > _MOST_BYTES:
                    break
        return bytes(data[:_MOST_BYTES]).decode("utf-8", "replace")


def _reading(values: dict[str, float | None]) -> Reading:
    def whole(field: str) -> int | None:
        value = values[field]
        return int(value) if value is not None and abs(value) < 2**62 else None

    return Reading(
        memory_bytes=whole("memory_bytes"),
        descriptors=whole("descriptors"),
        threads=whole("threads"),
        cpu_s=values["cpu_s"],
    )
