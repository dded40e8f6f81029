"""Caddy configuration to one that is tried on loopback. See rehearsing.py for what is carried over.

Works on the JSON that caddy makes of a Caddyfile. Source: caddyserver.com/docs/json.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from wsbook.parsers.proxies.artifact import Artifact
from wsbook.parsers.proxies.rehearsing.stage import CERTIFICATE, Adapted, Ask, Refusal, Stage, Stubs, host_of, sample_path, scaled
from wsbook.validators import adapt_caddy

__all__ = ["adapt_caddyfile"]

_KEPT = frozenset(
    """
    subroute rewrite headers static_response vars encode error map request_body invoke copy_response copy_response_headers intercept
    """.split()  # noqa: SIM905 - a table
)
_LEFT_OUT = frozenset("authentication templates acme_server metrics tracing push log_append request_header".split())  # noqa: SIM905
"""Who may come in, and what has to do with pages."""
_MATCHERS = frozenset(
    """
    host path path_regexp header header_regexp method protocol query not expression vars vars_regexp file remote_ip client_ip
    """.split()  # noqa: SIM905 - a table
)
_PROXY = frozenset(
    """
    handler upstreams load_balancing headers rewrite flush_interval stream_timeout stream_close_delay stream_buffer_size transport
    trusted_proxies handle_response buffer_requests buffer_responses request_buffers response_buffers verbose_logs circuit_breaker
    health_checks dynamic_upstreams
    """.split()  # noqa: SIM905 - a table
)
_TRANSPORT = frozenset(
    """
    protocol versions dial_timeout read_timeout write_timeout keep_alive compression response_header_timeout max_conns_per_host
    """.split()  # noqa: SIM905 - a table
)
_SERVER = frozenset(
    """
    routes errors named_routes read_timeout read_header_timeout write_timeout idle_timeout max_header_bytes enable_full_duplex
    """.split()  # noqa: SIM905 - a table
)
_FRAGMENT = re.compile(r"(?:\s|#[^\n]*\n)*(?:@\S+|reverse_proxy|handle|handle_path|route|encode|header|root|redir|rewrite)\s")
"""Directives without their site."""
_FOREIGN = re.compile(r"\{(?:file|env|system)\.")
_LIFE, _SILENCE = ("stream_timeout",), ("read_timeout", "write_timeout")
_MAX_NODES = 20_000
_WWW = "@folder@/www"


def adapt_caddyfile(artifact: Artifact, stage: Stage, ask: Ask, changed: Mapping[str, str] | None = None) -> Adapted:
    """Return a configuration, or the changed text of it, for loopback.

    Raises:
        Refusal: it cannot be tried there; the words say why.
    """
    text = (changed or {}).get(artifact.name, artifact.text)
    document = text if text.lstrip()[:1] == "{" and '"apps"' in text else adapt_caddy(text, artifact.folder)
    if document is None and _FRAGMENT.match(text):
        document = adapt_caddy(f":80 {{\n{text}\n}}\n", artifact.folder)
    if document is None:
        raise Refusal("caddy does not take it, or it imports files that are not in its folder")
    if _FOREIGN.search(document):
        raise Refusal("it reads a file or a variable of the environment when it answers")
    try:
        config = json.loads(document)
        servers = config["apps"]["http"]["servers"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Refusal("it serves nothing over HTTP") from error
    if not isinstance(servers, dict) or not servers:
        raise Refusal("it serves nothing over HTTP")
    return _Writer(config["apps"]["http"], stage, ask, {artifact.name: artifact.text}).adapted()


class _Writer:
    """Rewrites the HTTP application of one configuration."""

    def __init__(self, http: dict[str, Any], stage: Stage, ask: Ask, texts: Mapping[str, str]) -> None:
        self.http, self.stage, self.ask, self.texts = http, stage, ask, texts
        self.stubs = Stubs(stage, ask.secure)
        self.left_out: list[str] = []
        self.nodes = 0
        self.doors: dict[str, tuple[int, bool, int]] = {}

    def adapted(self) -> Adapted:
        """Rewrite everything and say where to knock."""
        servers: dict[str, Any] = {}
        for name, server in self.http["servers"].items():
            if isinstance(server, dict):
                servers[name] = self._server(str(name), server)
        door = self.ask.door or self._door()
        if door not in self.doors:
            raise Refusal("no server of it listens on a TCP port")
        port, tls, _ = self.doors[door]
        certificates = {"certificates": {"load_files": [{"certificate": CERTIFICATE, "key": CERTIFICATE}]}}
        config = {
            "admin": {"disabled": True, "config": {"persist": False}},
            "logging": {"logs": {"default": {"level": "ERROR"}}},
            "storage": {"module": "file_system", "root": "@folder@/storage"},
            "apps": {
                "http": {"servers": servers, "grace_period": 1},
                **({"tls": certificates} if any(d[1] for d in self.doors.values()) else {}),
            },
        }
        own = self.http["servers"][door.rpartition("/")[0]]
        return Adapted(
            files={"caddy.json": json.dumps(config), "www/index.html": "stand-in"},
            door=door,
            port=port,
            tls=tls,
            stage=self.stage,
            host=self.ask.host or host_of(_hosts(own)),
            resource=self.ask.resource or self._sample(),
            secure=frozenset(self.stubs.secure),
            texts=self.texts,
            left_out=tuple(dict.fromkeys(self.left_out)),
        )

    def _door(self) -> str:
        """Return the listener of the endpoint's port, else the one of the endpoint's host, else the first with TLS, else the first."""
        by_port = [name for name, (_, _, port) in self.doors.items() if port == self.ask.port]
        host = self.ask.host.partition(":")[0]
        by_host = [name for name in self.doors if host and host in _hosts(self.http["servers"][name.rpartition("/")[0]])]
        secure = [name for name, (_, tls, _) in self.doors.items() if tls]
        return next(iter(by_port + by_host + secure + list(self.doors)), "")

    def _sample(self) -> str:
        words = [word for word in self.ask.matcher.replace("*", "").split() if word.startswith("/")]
        return (sample_path(words[0]) if words else "") or "/"

    def _server(self, name: str, server: dict[str, Any]) -> dict[str, Any]:
        listen = []
        tls = False
        for number, address in enumerate(_list(server.get("listen"))):
            match = re.fullmatch(r"(?:tcp/)?(?:.*):(\d{1,5})", str(address))
            if match is None or len(self.doors) >= len(self.stage.listen):
                continue
            secure = self._speaks_tls(server, int(match[1]))
            door = self.stage.listen[len(self.doors)]
            self.doors[f"{name}/{number}"] = (door, secure, int(match[1]))
            listen.append(f"127.0.0.1:{door}")
            tls = tls or secure
        kept = {key: self._walk(value) for key, value in server.items() if key in _SERVER}
        policies: dict[str, Any] = {"tls_connection_policies": [{"fallback_sni": "localhost"}]} if tls else {}
        return {**kept, "listen": listen, "automatic_https": {"disable": True}, "protocols": ["h1", "h2"], **policies}

    def _speaks_tls(self, server: dict[str, Any], port: int) -> bool:
        if server.get("tls_connection_policies"):
            return True
        automatic = server.get("automatic_https") or {}
        if port == self.http.get("http_port", 80) or not isinstance(automatic, dict) or automatic.get("disable"):
            return False
        skipped = set(_list(automatic.get("skip")))
        return port == self.http.get("https_port", 443) or any(host not in skipped for host in _hosts(server))

    def _walk(self, value: Any) -> Any:
        """Return routes with every handler and matcher as they can be tried here."""
        self.nodes += 1
        if self.nodes > _MAX_NODES:
            raise Refusal("it is too large")
        if isinstance(value, list):
            return [one for one in (self._walk(item) for item in value) if one is not None]
        if not isinstance(value, dict):
            return value
        if "handler" in value:
            return self._handler(value)
        walked = {key: self._walk(item) if key != "match" else self._match(item) for key, item in value.items()}
        return {key: item for key, item in walked.items() if item is not None}

    def _match(self, sets: Any) -> Any:
        for matcher in (m for m in _list(sets) if isinstance(m, dict)):
            if set(matcher) - _MATCHERS:
                raise Refusal(f"the matcher {', '.join(sorted(set(matcher) - _MATCHERS))[:60]} is not known here")
            if isinstance(matcher.get("file"), dict):
                matcher["file"] = {k: v for k, v in matcher["file"].items() if k in ("try_files", "try_policy", "split_path")} | {
                    "root": _WWW
                }
            for key in ("remote_ip", "client_ip"):
                if key in matcher:
                    self.left_out.append(f"matcher {key}")
            if "not" in matcher:
                self._match(matcher["not"])
        return sets

    def _handler(self, handler: dict[str, Any]) -> dict[str, Any] | None:
        name = str(handler["handler"])
        if name == "reverse_proxy":
            return self._proxy(handler)
        if name == "file_server":
            return {"handler": "file_server", "root": _WWW, "pass_thru": bool(handler.get("pass_thru"))}
        if name == "vars":
            return {**handler, "root": _WWW} if "root" in handler else handler
        if name in _KEPT:
            walked = {key: self._walk(item) for key, item in handler.items() if key != "handler"}
            return {"handler": name, **walked}
        if name in _LEFT_OUT:
            self.left_out.append(f"handler {name}")
            return None
        raise Refusal(f"the handler {name[:40]} is not known here")

    def _proxy(self, handler: dict[str, Any]) -> dict[str, Any]:
        if set(handler) - _PROXY:
            raise Refusal(f"{', '.join(sorted(set(handler) - _PROXY))[:60]} of reverse_proxy is not known here")
        transport = handler.get("transport") or {}
        if handler.get("dynamic_upstreams") or not isinstance(transport, dict):
            raise Refusal("its upstreams are found at run time")
        if transport.get("protocol", "http") != "http":
            return {"handler": "static_response", "status_code": 502}
        tls = "tls" in transport
        dials = [str(up.get("dial", "")) for up in _list(handler.get("upstreams")) if isinstance(up, dict)]
        if any("{" in dial for dial in dials):
            raise Refusal("its upstreams are found at run time")
        kept = {key: value for key, value in transport.items() if key in _TRANSPORT} | {"protocol": "http"}
        if tls:
            kept["tls"] = {"insecure_skip_verify": True}
        upstreams = [{"dial": f"127.0.0.1:{self.stubs.port(dial, tls=tls)}"} for dial in dials]
        rest = {
            k: v
            for k, v in handler.items()
            if k in _PROXY - {"upstreams", "transport", "health_checks", "handle_response", "circuit_breaker"}
        }
        routes = {"handle_response": self._walk(handler["handle_response"])} if "handle_response" in handler else {}
        shortened = {key: _shortened(rest[key], self.ask.scale) for key in _LIFE if key in rest}
        kept |= {key: _shortened(kept[key], self.ask.scale) for key in _SILENCE if key in kept}
        return {**rest, **shortened, "upstreams": upstreams, "transport": kept, **routes}


def _shortened(value: Any, scale: float) -> Any:
    """Return a duration of the JSON, in nanoseconds or in words, shortened."""
    return (
        max(1_000_000, round(value * scale))
        if isinstance(value, int) and value > 0
        else scaled(value, scale)
        if isinstance(value, str)
        else value
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _hosts(server: Any) -> list[str]:
    """Return the host names that the routes of a server match."""
    return list(_host_names(server.get("routes") if isinstance(server, dict) else None))


def _host_names(routes: Any) -> Iterator[str]:
    for route in _list(routes):
        for matcher in _list(route.get("match")) if isinstance(route, dict) else ():
            if isinstance(matcher, dict):
                yield from (str(host) for host in _list(matcher.get("host")))
