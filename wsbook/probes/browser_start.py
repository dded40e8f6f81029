"""Find, start and end a Chromium with a profile of its own, through Playwright.

This module must not know what is looked at in the browser. A browser is gone when its block ends, however it ends.
"""

import asyncio
import base64
import contextlib
import hashlib
import os
import shutil
import signal
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from wsbook.probes.trust import trusting
from wsbook.target import parse_endpoint

__all__ = ["START_S", "STOP_S", "browser_available", "known_environment", "quietly", "running_browser", "trusted_by"]

START_S, STOP_S = 15.0, 5.0

_NAMES = ("chromium", "google-chrome", "google-chrome-stable", "chromium-browser", "chrome", "microsoft-edge")
_FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-site-isolation-trials",  # frames of other sites stay in the page's process, where its protocol session sees them
)
_ENVIRONMENT = (
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "TEMP",
    "TMP",
    "SYSTEMROOT",
    "XDG_RUNTIME_DIR",
    "PLAYWRIGHT_BROWSERS_PATH",
)


def known_environment() -> dict[str, str]:
    """Return what a browser may know of our environment: no proxy, no secret."""
    return {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}


def _own_browser() -> str:
    """Return the browser that Playwright downloaded for itself, "" when there is none; reads folders, starts nothing."""
    cache = os.environ.get("PLAYWRIGHT_BROWSERS_PATH", "") or str(Path.home() / ".cache" / "ms-playwright")
    found = sorted(Path(cache).glob("chromium*/chrome-*/chrome")) if cache != "0" else []
    return str(found[-1]) if found else ""


def browser_available(executable: str = "") -> str:
    """Return the path of the Chromium that would be started, "" when it or Playwright is missing. executable: prefer this one."""
    if find_spec("playwright") is None:
        return ""
    named = shutil.which(executable) if executable else None
    return named or ("" if executable else next(filter(None, map(shutil.which, _NAMES)), "") or _own_browser())


async def _leaf_pin(url: str, ca_file: str) -> tuple[str, str]:
    """Return (SPKI pin of a server that the given CA vouches for, what speaks against its certificate), each "" when not known."""
    place = parse_endpoint(url)
    if not place.secure:
        return "", ""
    try:
        context = trusting(ca_file)
        async with asyncio.timeout(3):
            _, writer = await asyncio.open_connection(place.host, place.port, ssl=context)
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.transport.abort()
    except ssl.SSLCertVerificationError as error:
        return "", error.verify_message
    except (OSError, TimeoutError):  # ssl.SSLError is an OSError
        return "", ""
    key = x509.load_der_x509_certificate(der).public_key()
    digest = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    return base64.b64encode(digest).decode(), ""


async def trusted_by(urls: Iterable[str], ca_file: str) -> tuple[list[str], str]:
    """Return (the flag that makes Chromium accept exactly what the given CA vouches for, what speaks against the others).

    Chromium has no option for another CA file, and its store is the user's. So the leaf is checked here, name and dates included,
    and only then pinned: a certificate that the CA does not cover stays an error, as for a person.
    """
    if not ca_file:
        return [], ""
    checked = await asyncio.gather(*(_leaf_pin(url, ca_file) for url in sorted(set(urls))))
    pins = ",".join(sorted({pin for pin, _ in checked if pin}))
    flags = [f"--ignore-certificate-errors-spki-list={pins}"] if pins else []
    return flags, "; ".join(sorted({words for _, words in checked if words}))


def _launch_options(executable: str, profile: str, extra: list[str], forward_proxy: str) -> dict[str, Any]:
    as_root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    direct = [] if forward_proxy else ["--no-proxy-server"]
    return {
        "user_data_dir": profile,
        "executable_path": executable,
        "headless": True,
        "args": [*_FLAGS, *as_root, *direct, *extra],
        "chromium_sandbox": not as_root,
        "accept_downloads": False,
        "proxy": {"server": forward_proxy, "bypass": "<-loopback>"} if forward_proxy else None,
        "env": known_environment(),
        "timeout": START_S * 1000,
    }


def _end_leftovers(profile: str) -> None:
    """End browser processes that still name our own temporary profile; only where /proc tells (Linux)."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if f"--user-data-dir={profile}".encode() in entry.read_bytes().split(b"\0"):
                os.kill(int(entry.parent.name), signal.SIGKILL)


async def quietly(ending: Coroutine[Any, Any, object]) -> None:
    """Wait for an orderly end, but not long and not for its success: what follows ends the processes themselves."""
    from playwright.async_api import Error

    with contextlib.suppress(Error, TimeoutError, OSError):
        async with asyncio.timeout(STOP_S):
            await ending


@contextlib.asynccontextmanager
async def running_browser(
    executable: str, extra: list[str], forward_proxy: str, ended: Callable[[Path], None] | None = None
) -> AsyncIterator[Any]:
    """Yield a browser context with a profile of its own; browser, driver and profile are gone afterwards.

    ended: is given the browser's network log, which holds secrets, when the browser has written it and before it is deleted; None
    keeps no log.
    """
    from playwright.async_api import async_playwright

    with tempfile.TemporaryDirectory(prefix="wsbook-browser-", ignore_cleanup_errors=True) as profile:
        driver = await async_playwright().start()
        context = None
        try:
            log = Path(profile) / "wsbook-net-log.json"
            flags = [f"--log-net-log={log}", "--net-log-capture-mode=IncludeSensitive", "--net-log-max-size-mb=48"] if ended else []
            options = _launch_options(executable, profile, [*flags, *extra], forward_proxy)
            context = await driver.chromium.launch_persistent_context(**options)
            yield context
        finally:
            if context is not None:
                await quietly(context.close())
                if ended is not None:
                    await asyncio.to_thread(ended, log)
            _end_leftovers(profile)
            await quietly(driver.stop())
