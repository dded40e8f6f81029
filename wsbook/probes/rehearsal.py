"""Start a configuration on loopback before a stub, and make one upgrade through it. Must not know grammars: texts come adapted.

The program is one of wsbook/validators.py, confined to a private folder, given seconds, and always ended.
"""

import asyncio
import base64
import contextlib
import errno
import os
import re
import signal
import ssl
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from wsbook.attempt import Attempt
from wsbook.facts import Trial, UpgradeFacts
from wsbook.probes.rehearsal_stub import Stub, stand_in_certificate
from wsbook.probes.upgrade import probe_upgrade
from wsbook.validators import TAKEN, confined, environment, run_command, validate, write_files
from wsbook.wire.handshake import request_headers, write_request

__all__ = ["CERTIFICATE", "Play", "probe_rehearsal"]

CERTIFICATE = "stand-in.pem"
"""Name of the certificate and key, in the private folder, that take the place of every other."""

_READY_S = 2.5
_ATTEMPT_S = 3.0
_POLL_S = 0.02
_PATIENCE_S = 1.2
_SEVERAL = 8
_FIREFOX = (("Connection", "keep-alive, Upgrade"),)
"""How Firefox writes the header; Chromium writes Upgrade alone. An upgrade passes when both do."""


class Play(Struct, frozen=True, kw_only=True):
    """What to start and what to ask of it.

    files: the main configuration first, texts with @folder@ for the private folder. door: port that is asked; ports: all that the
    program may serve and dial. plain, secure: of the stub. host: the Host header. several: make a few attempts and see where they go.
    silence_s: how long an upgrade is left silent, and a little longer, to see whether it is closed; 0 not at all.
    """

    program: str
    files: Mapping[str, str]
    door: int
    tls: bool
    ports: tuple[int, ...]
    plain: tuple[int, ...]
    secure: tuple[int, ...]
    host: str
    resource: str
    origin: str | None = None
    several: bool = False
    silence_s: float = 0.0


async def probe_rehearsal(play: Play) -> Trial:
    """Return what the program says of the files, and what one upgrade through it came to."""
    files = {**play.files, CERTIFICATE: stand_in_certificate()}
    said = await asyncio.to_thread(validate, play.program, files, play.ports)
    if not said.accepted:
        return Trial(valid=said.accepted, complaint=said.complaint)
    try:
        return await _play(play, files)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        return Trial(valid=True, complaint=TAKEN if taken else f"it could not be started: {error}"[:300])


async def _play(play: Play, files: Mapping[str, str]) -> Trial:
    with tempfile.TemporaryDirectory(prefix="wsbook-", ignore_cleanup_errors=True) as folder:
        main = write_files(folder, {name: text.replace("@folder@", folder) for name, text in files.items()})
        async with Stub(play.plain, play.secure) as stub:
            process = _start(play, folder, main)
            try:
                if not await _ready(play.door, process):
                    return Trial(valid=True, complaint=f"{play.program} did not serve: {_last_words(folder)}")
                return await _ask(play, stub)
            finally:
                _end(process)


def _start(play: Play, folder: str, main: str) -> "subprocess.Popen[bytes]":
    with Path(folder, "output").open("wb") as output:
        return subprocess.Popen(
            confined(run_command(play.program, folder, main), folder, play.ports),
            env=environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def _last_words(folder: str) -> str:
    return Path(folder, "output").read_text(errors="replace").replace(f"{folder}/", "")[-300:].strip()


def _end(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


async def _ready(port: int, process: "subprocess.Popen[bytes]") -> bool:
    """Wait until the program listens; False when it ended, or took too long."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_READY_S):
            while process.poll() is None:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    return True
                await asyncio.sleep(_POLL_S)
    return False


async def _ask(play: Play, stub: Stub) -> Trial:
    attempt = Attempt(
        url=f"{'wss' if play.tls else 'ws'}://localhost:{play.door}{play.resource}",
        server_name=re.sub(r":\d+\Z", "", play.host).strip("[]"),
        address="127.0.0.1",
        host_header=play.host,
        origin=play.origin,
        extensions=(),
        verify=False,
        timeout_s=_ATTEMPT_S,
        first_message_s=0.0,
    )
    seen = [await probe_upgrade(attempt, step="2.2")]
    if _accepted(seen[0].facts):
        seen = [seen[0], await probe_upgrade(replace(attempt, headers=_FIREFOX), step="2.2")]
        seen = seen if _accepted(seen[1].facts) else seen[1:]
    first = len(stub.received) - 1
    if play.several:
        again = replace(attempt, headers=_cookies(seen[-1].facts))
        await asyncio.gather(*(probe_upgrade(again, step="2.2") for _ in range(_SEVERAL - 1)))
    facts = seen[0].facts
    received = stub.received[-1] if stub.received else None
    servers = len({(one.secure, one.server) for one in stub.received[max(first, 0) :]})
    if not isinstance(facts, UpgradeFacts):
        return Trial(valid=True, complaint="no attempt could be made", received=received, servers=servers)
    words = seen[0].failure.message if seen[0].failure else ""
    trial = Trial(valid=True, accepted=facts.accepted, status=facts.status, complaint=words[:300], received=received, servers=servers)
    if not (play.silence_s and facts.accepted):
        return trial
    watched_s = play.silence_s + _PATIENCE_S
    return replace(trial, watched_s=watched_s, closed_after_s=await _closed_after(attempt, watched_s))


async def _closed_after(attempt: Attempt, watched_s: float) -> float | None:
    """Leave an upgrade silent; return after how many seconds the other side closed it, None when it did not."""
    key = base64.b64encode(os.urandom(16)).decode()
    request = write_request("GET", attempt.endpoint.resource, request_headers(attempt, key))
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", attempt.endpoint.port, ssl=_unverified() if attempt.endpoint.secure else None
    )
    try:
        writer.write(request)
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _ATTEMPT_S)
        started = time.monotonic()
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(watched_s):
                while await reader.read(4096):
                    continue
        lived_s = min(time.monotonic() - started, watched_s)
        await asyncio.sleep(_POLL_S)  # a busy loop may hear of the end after its own time is over
        return lived_s if reader.at_eof() or reader.exception() else None
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return 0.0
    finally:
        writer.transport.abort()


def _unverified() -> ssl.SSLContext:
    """Trust the stand-in certificate: it is ours, on loopback."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _accepted(facts: object) -> bool:
    return isinstance(facts, UpgradeFacts) and facts.accepted


def _cookies(facts: object) -> tuple[tuple[str, str], ...]:
    """Return the header that carries back the cookies of an answer."""
    headers = facts.headers if isinstance(facts, UpgradeFacts) else ()
    pairs = [value.partition(";")[0].strip() for name, value in headers if name.lower() == "set-cookie"]
    return (("Cookie", "; ".join(pairs)),) if pairs else ()
