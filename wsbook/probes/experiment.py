"""A controlled experiment: the same attempt with one thing changed, side by side. It must not judge what flips the outcome."""

import asyncio
import re
import secrets
import time
from collections.abc import Iterable
from urllib.parse import urlsplit, urlunsplit

from msgspec.structs import replace

from wsbook import attempt as labels
from wsbook.attempt import LATE_S, Attempt, Family
from wsbook.observation import Observation
from wsbook.probes.names import is_address
from wsbook.probes.upgrade import probe_upgrade
from wsbook.signs import MARK_BYTES, QUERY_NAME
from wsbook.target import Endpoint, parse_endpoint
from wsbook.wire.credentials import without_credentials
from wsbook.wire.origins import FOREIGN

__all__ = [
    "experiment",
    "fitting_variants",
    "handshake_variants",
    "hop_variants",
    "large_cookie",
    "losing_variants",
    "next_second",
    "random_path",
]

_ON_THE_WAY = frozenset({"resolve", "tcp", "proxy"})
"""Stages before anything is said to the peer."""
_COOKIE_BYTES = 12_288
"""Above the limit of nginx for one line (8 KiB), below that of Node for all headers (16 KiB)."""


async def next_second() -> None:
    """Wait until logs in whole seconds keep what follows apart from what was, also where a line is written a moment late."""
    late = time.time() + LATE_S
    await asyncio.sleep(LATE_S + 1.02 - late % 1.0)


async def experiment(
    baseline: Attempt | None, variants: Iterable[Attempt], *, step: str, probe: str = "upgrade", together: int = 8, apart: bool = False
) -> list[Observation]:
    """Return the baseline's observation, made alone and first, then those of the variants in their order.

    baseline: None when it was tried before. probe: the name in the source of each observation.
    together: how many variants run side by side. apart: begin the variants in another second of the clock (see next_second).
    When the baseline finds no way to the peer, only variants that dial otherwise are tried: the others would end where it did.

    Raises:
        UsageError: as open_socket().
    """
    first = [await probe_upgrade(baseline, step=step, probe=probe)] if baseline is not None else []
    if baseline is not None and (failure := first[0].failure) is not None and failure.stage in _ON_THE_WAY:
        variants = [variant for variant in variants if _dialled(variant) != _dialled(baseline)]
    if apart:
        await next_second()
    gate = asyncio.Semaphore(together)

    async def run(variant: Attempt) -> Observation:
        async with gate:
            return await probe_upgrade(variant, step=step, probe=probe)

    tasks = [asyncio.create_task(run(variant)) for variant in variants]
    try:
        return [*first, *await asyncio.gather(*tasks)]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _dialled(attempt: Attempt) -> tuple[object, ...]:
    endpoint = attempt.endpoint
    return endpoint.host, endpoint.port, attempt.address, attempt.family, attempt.via


def _with_path(url: str, path: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def random_path(url: str) -> str:
    """Return the URL with a path that nobody serves."""
    return _with_path(url, f"/wsbook-{secrets.token_hex(6)}")


def _path_variants(attempt: Attempt) -> list[Attempt]:
    path = attempt.endpoint.path
    variants = [attempt.change(labels.RANDOM_PATH, url=random_path(attempt.url))]
    if path.endswith("/") and path != "/":
        variants.append(attempt.change(labels.WITHOUT_SLASH, url=_with_path(attempt.url, path.rstrip("/"))))
    elif path != "/":
        variants.append(attempt.change(labels.WITH_SLASH, url=_with_path(attempt.url, f"{path}/")))
    if "//" in path:
        variants.append(attempt.change(labels.SINGLE_SLASHES, url=_with_path(attempt.url, re.sub("/+", "/", path))))
    if path != path.lower():
        variants.append(attempt.change(labels.LOWER_PATH, url=_with_path(attempt.url, path.lower())))
    return variants


def _other_scheme(attempt: Attempt) -> Attempt:
    """Return the variant with the other scheme: at its own default port where the port was a default, else at the same port."""
    endpoint = attempt.endpoint
    default = endpoint.port == (443 if endpoint.secure else 80)
    scheme = "ws" if endpoint.secure else "wss"
    port = (80 if endpoint.secure else 443) if default else endpoint.port
    return attempt.change(labels.OTHER_SCHEME, url=replace(endpoint, scheme=scheme, port=port).url)


def _network_variants(attempt: Attempt) -> list[Attempt]:
    variants = [_other_scheme(attempt)]
    if attempt.endpoint.secure:
        variants += [attempt.change(labels.UNVERIFIED, verify=False)] if attempt.verify else []
        variants.append(attempt.change(labels.NO_SERVER_NAME, server_name="", verify=False))
        variants.append(attempt.change(labels.WITH_HTTP2_OFFERED, alpn=("h2", "http/1.1")))
        variants.append(attempt.change(labels.NO_ALPN, alpn=()))
        variants += _named_by_page(attempt)
    if attempt.via:
        variants.append(attempt.change(labels.NO_PROXY, via=None))
    elif attempt.address is None and attempt.family is Family.ANY and not is_address(attempt.endpoint.host):
        variants.append(attempt.change(labels.IPV4_ONLY, family=Family.IPV4))
        variants.append(attempt.change(labels.IPV6_ONLY, family=Family.IPV6))
    return variants


def _named_by_page(attempt: Attempt) -> list[Attempt]:
    """Return the variant with SNI where the URL has a bare address, which sends none (RFC 6066 section 3), and the page a name."""
    page = parse_endpoint(attempt.origin).host if attempt.origin and "://" in attempt.origin else ""
    if not is_address(attempt.endpoint.host) or not page or is_address(page):
        return []
    return [attempt.change(labels.PAGE_SERVER_NAME, server_name=page, verify=False)]


def _token_variants(attempt: Attempt) -> list[Attempt]:
    """Return spellings of the upgrade that RFC 6455 section 4.2.1 allows: Firefox' list of tokens, and other letters."""
    return [
        attempt.change(labels.CONNECTION_LIST, headers=(*attempt.headers, ("Connection", "keep-alive, Upgrade"))),
        attempt.change(labels.OTHER_CASE, headers=(*attempt.headers, ("Upgrade", "WebSocket"), ("Connection", "upgrade"))),
    ]


def large_cookie(attempt: Attempt) -> Attempt:
    """Return the variant with 12 KiB of cookies more, as after several sign-ons."""
    return attempt.change(labels.LARGE_COOKIE, headers=(*attempt.headers, ("Cookie", f"wsbook={'x' * _COOKIE_BYTES}")))


def _with_mark(attempt: Attempt) -> Attempt:
    """Return the variant that shows in logs which print the path and no user agent."""
    mark = f"{QUERY_NAME}={secrets.token_hex(MARK_BYTES)}"
    parts = urlsplit(attempt.url)
    query = f"{parts.query}&{mark}" if parts.query else mark
    return attempt.change(labels.MARKED_QUERY, url=urlunsplit((parts.scheme, parts.netloc, parts.path, query, "")))


def handshake_variants(attempt: Attempt, *, marked: bool = False) -> list[Attempt]:
    """Return the attempts that show which part of the handshake decides: Origin, extensions, credentials, path, TLS, address.

    marked: add one that carries a mark in its query, to be found in logs.
    """
    variants = [attempt.change(labels.NO_ORIGIN, origin=None)] if attempt.origin else []
    variants.append(attempt.change(labels.NO_UPGRADE, upgrade=False))
    variants.append(attempt.change(labels.FOREIGN_ORIGIN, origin=FOREIGN))
    if attempt.extensions:
        variants.append(attempt.change(labels.NO_EXTENSIONS, extensions=()))
    if attempt.subprotocols:
        variants.append(attempt.change(labels.NO_SUBPROTOCOL, subprotocols=()))
    if bare := without_credentials(attempt, labels.NO_CREDENTIALS):
        variants.append(bare)
    variants += [*_token_variants(attempt), attempt.change(labels.OTHER_VERSION, version=99)]
    variants += [_with_mark(attempt)] if marked else []
    return [*variants, *_path_variants(attempt), *_network_variants(attempt)]


def hop_variants(attempt: Attempt, endpoint: Endpoint) -> list[Attempt]:
    """Return what a hop is asked beside the upgrade: a plain GET, an unknown path, and the upgrade as the endpoint is asked for it.

    endpoint: the public one; its path and Host are tried at the hop where they differ.
    """
    own = attempt.endpoint
    variants = [attempt.change(labels.NO_UPGRADE, upgrade=False), attempt.change(labels.RANDOM_PATH, url=random_path(attempt.url))]
    variants.append(_token_variants(attempt)[1])
    if own.secure:
        variants.append(attempt.change(labels.NO_SERVER_NAME, server_name="", verify=False))
    if own.path != endpoint.path:
        moved = f"{own.scheme}://{own.authority}{endpoint.resource}"
        variants.append(attempt.change(labels.THE_ENDPOINTS_PATH, url=moved))
    if own.authority != endpoint.authority:
        variants.append(attempt.change(labels.THE_ENDPOINTS_HOST, host_header=endpoint.authority))
    return variants


def fitting_variants(attempt: Attempt, endpoint: Endpoint) -> list[Attempt]:
    """Return what may cure a refusal at a hop because the next proxy sends it: the public Host, the public scheme, both; TLS unverified."""
    own, scheme = attempt.endpoint, "https" if endpoint.secure else "http"
    told = ("X-Forwarded-Proto", scheme), ("X-Forwarded-Host", endpoint.authority)
    variants = [attempt.change(labels.UNVERIFIED, verify=False)] if own.secure and attempt.verify else []
    if endpoint.secure:
        variants.append(attempt.change(labels.FORWARDED_HTTPS, headers=(*attempt.headers, told[0])))
    whole = attempt.change(labels.AS_FORWARDED, host_header=endpoint.authority, headers=(*attempt.headers, *told))
    variants += [whole, whole.change(labels.UNVERIFIED, verify=False)] if own.secure and attempt.verify else [whole]
    return variants


_OWN_HEADERS = tuple(f"sec-websocket-{name}" for name in ("key", "version", "protocol", "extensions"))
_UNKNOWN_HOST = "wsbook-other.example"
"""A Host that nobody serves: RFC 2606 reserves the domain."""


def losing_variants(attempt: Attempt, endpoint: Endpoint) -> list[Attempt]:
    """Return the attempts that look as if a proxy had lost or changed one thing of the accepted attempt.

    endpoint: the public one. What rules make of them stands in rules/hop_losses.py.
    """
    own, headers = attempt.endpoint, attempt.headers
    variants = [
        attempt.change(labels.NO_TOKENS, omit=("upgrade", "connection")),
        attempt.change(labels.CONNECTION_CLOSE, headers=(*headers, ("Connection", "close"))),
        attempt.change(labels.HTTP_1_0, http_version="1.0"),
        attempt.change(labels.NO_KEY, omit=("sec-websocket-key",)),
        attempt.change(labels.NO_OWN_HEADERS, omit=_OWN_HEADERS),
        attempt.change(labels.OTHER_HOST, host_header=_UNKNOWN_HOST),
        attempt.change(labels.FORWARDED_HTTP, headers=(*headers, ("X-Forwarded-Proto", "http"))),
    ]
    if attempt.origin:
        variants += [attempt.change(labels.NO_ORIGIN, origin=None), attempt.change(labels.FOREIGN_ORIGIN, origin=FOREIGN)]
    if bare := without_credentials(attempt, labels.NO_CREDENTIALS):
        variants.append(bare)
    if attempt.subprotocols:
        variants.append(attempt.change(labels.NO_SUBPROTOCOL, subprotocols=()))
    if own.path != "/":
        variants.append(attempt.change(labels.THE_ROOT_PATH, url=_with_path(attempt.url, "/")))
    if "?" in own.resource:
        variants.append(attempt.change(labels.NO_QUERY, url=urlunsplit((*urlsplit(attempt.url)[:3], "", ""))))
    if own.secure:
        variants.append(attempt.change(labels.OTHER_SCHEME, url=replace(own, scheme="ws").url))
    return variants
