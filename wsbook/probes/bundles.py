"""Fetch what a page runs: its own inline scripts, and the scripts of its origin. Reads no code; what it fetches, parsers read.

Bounded in number, size and time; follows redirects only within the page's origin, keeps no cookies, and asks no other origin for anything.
"""

import asyncio
import json
import re
import zlib
from collections.abc import Iterable
from http.cookiejar import CookieJar, DefaultCookiePolicy
from urllib.parse import unquote, urljoin, urlsplit

import httpx
from msgspec import Struct

from wsbook.facts import TextFacts
from wsbook.observation import Failure, Observation, Reason, Source, observed
from wsbook.probes.trust import trusting
from wsbook.secret import resolve

__all__ = ["Limits", "Script", "probe_bundles"]

_TAG = re.compile(r"<(script|link|base)\b([^>]{0,2000})>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""([\w-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+))""")
_IMPORTED = re.compile(r"""\bimport\(\s*["'`]([^"'`\s]{1,300}\.m?js)["'`]""")
_LISTED = re.compile(r"""["'`]((?:\.{0,2}/)?(?:assets|static|chunks|js|_next/static)/[\w./~-]{1,200}\.m?js)["'`]""")
_MAP = re.compile(r"//[#@] sourceMappingURL=([^\s'\"]{1,300})\s*\Z")
_NOT_OURS = re.compile(r"/@vite/|/@react-refresh|/node_modules/|/@fs/|/@id/|webpack-dev-server|hot-update")
_REDIRECTS = 4
_AT_ONCE = 6


class Limits(Struct, frozen=True, kw_only=True):
    """How much is fetched at most, the page included."""

    count: int = 40
    each_bytes: int = 5_000_000
    total_bytes: int = 20_000_000
    total_s: float = 8.0


class Script(Struct, frozen=True, kw_only=True):
    """One text that the page runs. url: where it came from; for a source out of a source map, its name there. original: not built."""

    url: str
    text: str
    original: bool = False


async def probe_bundles(
    page_url: str, *, step: str, ca_file: str = "", headers: Iterable[tuple[str, str]] = (), limits: Limits | None = None
) -> tuple[Observation, tuple[Script, ...]]:
    """Return one TextFacts about what was fetched, and the page with its scripts, sources out of source maps among them.

    headers: sent to the page's origin only; values may hold secret references. items are texts, unparsed those that could not be had.
    """
    bounds = limits or Limits()
    source = Source(step=step, probe="bundles", artifact=page_url)
    fetching = _Fetching(resolve(page_url), ca_file, [(name, resolve(value)) for name, value in headers], bounds)
    try:
        async with asyncio.timeout(bounds.total_s):
            await fetching.run()
    except TimeoutError:
        fetching.missed += 1
    if not fetching.scripts:
        late = f"{page_url} was not had in {bounds.total_s:g} s"
        failure = fetching.failure or Failure(stage="fetch", reason=Reason.TIMEOUT, message=late)
        return observed(source, None, failure=failure), ()
    facts = TextFacts(
        kind="page_scripts",
        size_bytes=sum(len(script.text) for script in fetching.scripts),
        items=len(fetching.scripts),
        unparsed=fetching.missed,
    )
    return observed(source, facts), tuple(fetching.scripts)


class _Fetching:
    """One page: what was had, what was missed, what is left to ask for."""

    def __init__(self, page_url: str, ca_file: str, headers: list[tuple[str, str]], limits: Limits) -> None:
        self.scripts: list[Script] = []
        self.missed = 0
        self.failure: Failure | None = None
        self._page_url = page_url.partition("#")[0]
        self._origin = _origin(self._page_url)
        self._limits = limits
        self._left_bytes = limits.total_bytes
        self._asked: set[str] = set()
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._client = httpx.AsyncClient(
            trust_env=False,
            verify=trusting(ca_file),
            timeout=limits.total_s,
            headers=[("User-Agent", "wsbook"), ("Accept-Encoding", "gzip"), *headers],
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )

    async def run(self) -> None:
        async with self._client:
            page = await self._get(self._page_url)
            if page is None:
                return
            self.scripts.append(Script(url=self._page_url, text=page))
            first = await self._all(_of_page(page, self._page_url))
            named = [name for script in first for name in _of_script(script)]
            later = await self._all(named)
            await self._maps([*first, *later])

    async def _all(self, urls: Iterable[str]) -> list[Script]:
        """Fetch what was not asked for yet, of the page's origin, and keep it."""
        wanted = [u for u in dict.fromkeys(urls) if u not in self._asked and _origin(u) == self._origin and not _NOT_OURS.search(u)]
        room = max(0, self._limits.count - len(self._asked))
        self.missed += max(0, len(wanted) - room)
        texts = await asyncio.gather(*(self._get(url) for url in wanted[:room]))
        found = [Script(url=url, text=text) for url, text in zip(wanted, texts, strict=False) if text is not None]
        self.missed += len(wanted[:room]) - len(found)
        self.scripts += found
        return found

    async def _maps(self, scripts: list[Script]) -> None:
        """Keep the sources that the source maps of the scripts hold, those of packages left out."""
        named = [urljoin(s.url, m[1]) for s in scripts if (m := _MAP.search(s.text[-400:].rstrip())) and not m[1].startswith("data:")]
        for one in await self._all(named):
            self.scripts += _sources(one)
        self.scripts = [script for script in self.scripts if script.url not in named]

    async def _get(self, url: str) -> str | None:
        """Return a text of the page's origin, None with the reason kept when it cannot be had."""
        self._asked.add(url)
        async with self._gate:
            for _ in range(_REDIRECTS):
                try:
                    async with self._client.stream("GET", url) as answer:
                        if answer.is_redirect:
                            url = urljoin(url, answer.headers.get("location", ""))
                            if _origin(url) != self._origin:
                                return self._fails(Reason.NOT_PERMITTED, f"{self._origin} sends to {_origin(url)}, which is not followed")
                            continue
                        if answer.status_code != 200:
                            return self._fails(Reason.MALFORMED, f"{url} was answered with HTTP {answer.status_code}")
                        return await self._body(answer)
                except (httpx.HTTPError, httpx.InvalidURL, zlib.error) as error:
                    reason = Reason.REFUSED if isinstance(error, httpx.ConnectError) else Reason.MALFORMED
                    return self._fails(reason, f"{url} could not be fetched: {str(error)[:200] or type(error).__name__}")
        return self._fails(Reason.MALFORMED, f"{url} redirects more than {_REDIRECTS} times")

    def _fails(self, reason: Reason, message: str) -> str | None:
        """Keep the first reason why something could not be had; return what is had instead."""
        self.failure = self.failure or Failure(stage="fetch", reason=reason, message=message)
        return None

    async def _body(self, answer: httpx.Response) -> str | None:
        """Return a body within the bounds, unpacked here so that a small one cannot grow without them."""
        packed = answer.headers.get("content-encoding", "").lower()
        if packed not in ("", "identity", "gzip"):
            return self._fails(Reason.UNREADABLE, f"{answer.url} is packed with {packed[:20]}")
        unpack = zlib.decompressobj(31) if packed == "gzip" else None
        body = bytearray()
        async for chunk in answer.aiter_raw():
            room = min(self._limits.each_bytes, self._left_bytes) - len(body)
            body += unpack.decompress(chunk, room + 1) if unpack else chunk[: room + 1]
            if len(body) > min(self._limits.each_bytes, self._left_bytes):
                return self._fails(Reason.TOO_LARGE, f"{answer.url} is larger than {self._limits.each_bytes:,} bytes, or all together is")
        self._left_bytes -= len(body)
        return body.decode("utf-8", "replace")


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.hostname}:{port}" if parts.scheme in ("http", "https") else ""


def _of_page(page: str, page_url: str) -> list[str]:
    """Return the scripts that a page names, in its order."""
    base, found = page_url, []
    for tag, text in _TAG.findall(page[:2_000_000]):
        given = {m[0].lower(): m[1] or m[2] or m[3] for m in _ATTRIBUTE.findall(text)}
        if tag.lower() == "base" and given.get("href"):
            base = urljoin(page_url, given["href"])
        elif tag.lower() == "script" and given.get("src"):
            found.append(urljoin(base, given["src"]))
        elif tag.lower() == "link" and given.get("href") and ("modulepreload" in given.get("rel", "") or given.get("as") == "script"):
            found.append(urljoin(base, given["href"]))
    return found


def _of_script(script: Script) -> list[str]:
    """Return the scripts that a script imports by name, and those that a bundler's list names from the root."""
    found = [urljoin(script.url, name) for name in _IMPORTED.findall(script.text)]
    return found + [urljoin(script.url, name if name.startswith(".") else "/" + name.lstrip("/")) for name in _LISTED.findall(script.text)]


def _sources(source_map: Script) -> list[Script]:
    try:
        whole = json.loads(source_map.text)
        names, texts = whole["sources"], whole["sourcesContent"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []
    if not isinstance(names, list) or not isinstance(texts, list):
        return []
    pairs = [(n, t) for n, t in zip(names, texts, strict=False) if isinstance(n, str) and isinstance(t, str) and "node_modules" not in n]
    return [Script(url=_shown(name), text=text[:1_000_000], original=True) for name, text in pairs[:400]]


def _shown(name: str) -> str:
    """Return the name of a source without what bundlers put before it."""
    return unquote(re.sub(r"^(?:webpack://[^/]*/|\.{1,2}/)*", "", name))[:300]
