"""A real Squid as the forward proxy: by its usual rules CONNECT reaches few ports."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import find, needs
from misbehaving import misbehaving

from wsbook.attempt import Attempt
from wsbook.evidence import Evidence
from wsbook.facts import ForwardProxyFacts, UpgradeFacts
from wsbook.finding import Verdict
from wsbook.observation import Observation
from wsbook.probes.forward_proxy import probe_forward_proxy
from wsbook.probes.upgrade import probe_upgrade
from wsbook.programs import free_ports
from wsbook.rules.forward_proxy import judge_forward_proxy
from wsbook.target import parse_target

pytestmark = needs("squid")

CONFIG = """
http_port 127.0.0.1:{squid}
acl SSL_ports port 443 {allowed}
acl CONNECT method CONNECT
http_access deny CONNECT !SSL_ports
http_access allow localhost
http_access deny all
cache deny all
access_log none
cache_log /dev/null
pid_filename none
shutdown_lifetime 0 seconds
"""


@contextmanager
def squid(folder: Path, allowed: int) -> Iterator[str]:
    """Run a Squid that opens tunnels to port 443 and this one."""
    port, config = free_ports(("squid",))["squid"], folder / "squid.conf"
    config.write_text(CONFIG.format(squid=port, allowed=allowed))
    with subprocess.Popen([str(find("squid")), "-N", "-f", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def _wait(port: int) -> None:
    end = time.monotonic() + 15
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    pytest.fail("squid does not listen")


async def ask(url: str, via: str) -> Observation:
    return await probe_forward_proxy(Attempt(url=url), via, variable="", step="2.1", timeout_s=3.0)


async def test_only_some_ports_carry_an_upgrade(tmp_path: Path) -> None:
    async with misbehaving() as good, misbehaving() as other:
        with squid(tmp_path, good.port) as via:
            refused, passed = await ask(other.url("/good"), via), await ask(good.url("/good"), via)
            upgraded = await probe_upgrade(Attempt(url=good.url("/good"), via=via), step="2.1")
        found = list(judge_forward_proxy(Evidence(parse_target(other.url("/good"), forward_proxy=via), [refused])))
    assert isinstance(refused.facts, ForwardProxyFacts)
    own, standard = refused.facts.tunnels
    assert (own.status, standard.status) == (403, 503)
    assert ("X-Squid-Error", "ERR_ACCESS_DENIED 0") in own.headers
    assert refused.facts.product.startswith("squid/")
    assert refused.facts.absolute is not None
    assert refused.facts.absolute.status != 101
    assert [(one.verdict, one.confidence) for one in found] == [(Verdict.FAULT, 0.97)]
    assert isinstance(passed.facts, ForwardProxyFacts)
    assert passed.facts.tunnels[0].outcome == "tunnel"
    assert isinstance(upgraded.facts, UpgradeFacts)
    assert upgraded.facts.accepted
