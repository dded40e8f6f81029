"""The TLS and HTTP/2 probes against Node, whose TLS and HTTP/2 are none of Python's: seven listeners of one process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import trustme
from conftest import find, needs

from wsbook.attempt import Attempt
from wsbook.evidence import Evidence
from wsbook.facts import Http2Facts, TlsScanFacts, UpgradeFacts
from wsbook.finding import Finding, Verdict
from wsbook.observation import Observation
from wsbook.probes.http2 import probe_http2
from wsbook.probes.tls_scan import probe_tls_scan
from wsbook.probes.upgrade import probe_upgrade
from wsbook.rules import judge
from wsbook.target import parse_target

SERVERS = """
const https = require("https"), http2 = require("http2"), fs = require("fs"), crypto = require("crypto");
const read = (name) => fs.readFileSync(`${process.argv[2]}/${name}.pem`);
const tls = { key: read("key"), cert: read("cert"), ca: read("ca") };
const upgrading = (server) => server.on("upgrade", (request, socket) => {
  const key = request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  socket.on("error", () => {});
  socket.write("HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n"
    + `Sec-WebSocket-Accept: ${crypto.createHash("sha1").update(key).digest("base64")}\\r\\n\\r\\n`);
});
const both = (status) => http2.createSecureServer({ ...tls, allowHTTP1: true, settings: { enableConnectProtocol: true } })
  .on("stream", (stream) => stream.respond({ ":status": status }, { endStream: status !== 200 }));
const servers = [
  upgrading(https.createServer(tls)),
  upgrading(https.createServer({ ...tls, requestCert: true, rejectUnauthorized: false })),
  upgrading(https.createServer({ ...tls, requestCert: true, rejectUnauthorized: true })),
  upgrading(https.createServer({ ...tls, maxVersion: "TLSv1.2", requestCert: true, rejectUnauthorized: true })),
  upgrading(both(200)),
  upgrading(both(405)),
  http2.createSecureServer(tls),
];
Promise.all(servers.map((server) => new Promise((ready) => server.listen(0, "127.0.0.1", () => ready(server.address().port)))))
  .then((ports) => console.log(ports.join(" ")));
"""
NAMES = ("plain", "optional", "required", "required-1.2", "both", "half", "h2-only")


@contextlib.asynccontextmanager
async def node(folder: Path) -> AsyncIterator[dict[str, str]]:
    """Run the servers; yield name → URL."""
    authority = trustme.CA(organization_name="Example CA")
    leaf = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    leaf.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    leaf.private_key_pem.write_to_path(folder / "key.pem")
    (folder / "servers.js").write_text(SERVERS)
    argv = (find("node") or "node", str(folder / "servers.js"), str(folder))
    process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        ports = (await asyncio.wait_for(process.stdout.readline(), 10)).split()
        yield {name: f"wss://127.0.0.1:{int(port)}/ws" for name, port in zip(NAMES, ports, strict=True)}
    finally:
        process.kill()
        await process.communicate()


async def look(url: str, ca_file: str) -> list[Observation]:
    attempt = Attempt(url=url, ca_file=ca_file, timeout_s=2.0, first_message_s=0.01)
    return [await probe(attempt, step="1.3") for probe in (probe_upgrade, probe_tls_scan, probe_http2)]


def fault(url: str, observations: list[Observation]) -> Finding | None:
    found = judge(Evidence(parse_target(url), observations))[0]
    return next((finding for finding in found if finding.root and finding.verdict is Verdict.FAULT), None)


@needs("node")
async def test_nodes_listeners(tmp_path: Path) -> None:
    async with node(tmp_path) as urls:
        seen = dict(zip(urls, await asyncio.gather(*(look(url, str(tmp_path / "ca.pem")) for url in urls.values())), strict=True))
    faults = {name: found for name, found in ((name, fault(urls[name], seen[name])) for name in NAMES) if found}
    assert {name: found.cause for name, found in faults.items()} == {
        "optional": "tls.client-cert-requested",
        "required": "tls.client-cert-requested",
        "required-1.2": "tls.client-cert-requested",
        "half": "tls.alpn-h2-negotiated",
        "h2-only": "tls.alpn-h2-negotiated",
    }
    assert "optional" in faults["optional"].summary and "requires" in faults["required"].summary
    assert "O=Example CA" in faults["required-1.2"].summary
    upgrade, scan, http2 = (entry.facts for entry in seen["both"])
    assert isinstance(upgrade, UpgradeFacts) and isinstance(scan, TlsScanFacts) and isinstance(http2, Http2Facts)
    assert upgrade.accepted and scan.client_certificate is False
    assert (http2.extended_connect, http2.status) == (True, 200)
    assert [trial.accepted for trial in scan.versions] == [False, False, True, True]
