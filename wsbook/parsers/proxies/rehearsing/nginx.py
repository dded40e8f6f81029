"""nginx configuration to one that is tried on loopback. Pure; see rehearsing.py for what is carried over."""

import re
from collections.abc import Mapping

from msgspec.structs import replace

from wsbook.parsers.proxies.artifact import Artifact
from wsbook.parsers.proxies.nginx.tree import Directive, parse_tree, walk
from wsbook.parsers.proxies.rehearsing.nginx_words import (
    BALANCING,
    BLOCKS,
    DROPPED,
    DROPPED_FAMILIES,
    KEPT,
    OTHER_BACKENDS,
    PEOPLE,
    SERVER_OPTIONS,
    WORTH_SAYING,
    condition,
    quoted,
)
from wsbook.parsers.proxies.rehearsing.stage import CERTIFICATE, Adapted, Ask, Refusal, Stage, Stubs, host_of, sample_path, scaled

__all__ = ["adapt_nginx"]

_AUTHORITY = re.compile(
    r"(?:(?P<scheme>https?)://)?(?P<host>unix:[^:\s]+:?|\[[0-9a-fA-F:.]+\](?::\d+)?|[^/\s$:]+(?::\d+)?)(?P<rest>/.*|\$.*)?\Z", re.DOTALL
)
_SILENCE = ("proxy_read_timeout", "proxy_send_timeout")
_MAX_LISTENERS = 12
_DIRECTIVES = 20_000


def adapt_nginx(artifact: Artifact, stage: Stage, ask: Ask, changed: Mapping[str, str] | None = None) -> Adapted:
    """Return a configuration, or the changed texts of it, for loopback.

    Raises:
        Refusal: it cannot be tried there; the words say why.
    """
    tree = parse_tree(artifact, changed)
    return replace(_Writer(tree.root, stage, ask).adapted(), texts=tree.texts)


class _Writer:
    """Writes one configuration anew."""

    def __init__(self, root: Directive, stage: Stage, ask: Ask) -> None:
        self.root, self.stage, self.ask = root, stage, ask
        self.every = walk(root)
        if len(self.every) > _DIRECTIVES:
            raise Refusal("it has too many directives")
        self.stubs = Stubs(stage, ask.secure)
        self.upstreams = {d.args[0]: d for d in self.every if d.name == "upstream" and d.block is not None and d.args}
        self.variables = {
            v for d in self.every if d.name == "proxy_pass" for a in d.args for v in re.findall(r"\$\{?(\w+)", _authority_part(a))
        }
        self.left_out: list[str] = []
        self.lines: list[str] = []
        self.servers = self._servers()
        self.server = self._chosen()
        self.doors = self._doors()
        self.elsewhere = self._elsewhere()

    def _servers(self) -> list[Directive]:
        return [server for http in (self.root.all("http") or [self.root]) for server in http.all("server")]

    def _chosen(self) -> Directive | None:
        """Return the server that holds the route; None: the route stands in a fragment."""
        if self.ask.door:
            return next((s for s in self.servers if self.ask.door in self._names_of(s)), None)
        at = (self.ask.file, self.ask.line)
        found = next((s for s in self.servers if any((d.file, d.line) == at for d in walk(s)) or (s.file, s.line) == at), None)
        if found is None and self.root.all("stream") and not self.root.all("location"):
            raise Refusal("the route is a TCP server of nginx, which passes everything")
        if found is None and self.servers and not self.root.all("location"):
            raise Refusal("the server of the route was not found")
        return found

    def _names_of(self, server: Directive) -> list[str]:
        """Return the listeners of a server: its port, with the address when it has one."""
        names = [
            _listener(d.args[0]) for d in server.all("listen") if d.args and not d.args[0].startswith("unix:") and "quic" not in d.args
        ]
        return list(dict.fromkeys(names)) or ([] if server.all("listen") else ["80"])

    def _doors(self) -> dict[str, int]:
        """Return the port here of every listener, those of the chosen server first."""
        first = self._names_of(self.server) if self.server else ["80"]
        if not first:
            raise Refusal("its server listens on no TCP port")
        names = list(dict.fromkeys(first + [name for server in self.servers for name in self._names_of(server)]))
        return dict(zip(names[:_MAX_LISTENERS], self.stage.listen, strict=False))

    def adapted(self) -> Adapted:
        """Write everything and say where to knock."""
        door = self.ask.door or self._door()
        self._write_main()
        tls = self.server is not None and self._speaks_tls(self.server, door)
        names = [name for d in self.server.all("server_name") for name in d.args] if self.server else []
        return Adapted(
            files={"nginx.conf": "\n".join(self.lines) + "\n", "www/index.html": "stand-in"},
            door=door,
            port=self.doors[door],
            tls=tls,
            stage=self.stage,
            host=self.ask.host or host_of(names),
            resource=self.ask.resource or self._sample(),
            secure=frozenset(self.stubs.secure),
            left_out=tuple(dict.fromkeys(self.left_out)),
        )

    def _door(self) -> str:
        names = self._names_of(self.server) if self.server else ["80"]
        wanted = [name for name in names if self.ask.port and name.rpartition(":")[2] == str(self.ask.port)]
        secure = [name for name in names if self.server and self._speaks_tls(self.server, name)]
        return next(iter(wanted + secure + names))

    def _speaks_tls(self, server: Directive, door: str) -> bool:
        listens = [d for d in server.all("listen") if d.args and _listener(d.args[0]) == door]
        switched = server.last("ssl")
        return any("ssl" in d.args for d in listens) or (switched is not None and switched.args == ("on",))

    def _sample(self) -> str:
        words = self.ask.matcher.split()
        if words[:1] != ["location"]:
            return "/"
        path = sample_path(self._leading_to(words[-1]))
        if not path:
            raise Refusal(f"no path is known that {self.ask.matcher} answers; give the endpoint")
        return path

    def _leading_to(self, pattern: str) -> str:
        """Return a location's pattern; of a named one, the pattern of a location that falls back to it."""
        locations = [d for d in self.every if d.name == "location" and d.args and not d.args[0].startswith("@")]
        named = [d for d in locations if any(pattern in (a, a.lstrip("=")) for inner in walk(d) for a in inner.args)]
        return pattern if not pattern.startswith("@") else named[0].args[-1] if named else ""

    def _write_main(self) -> None:
        self.lines += ["pid @folder@/pid;", "error_log @folder@/error.log;", "worker_processes 1;", "daemon off;", "master_process off;"]
        self.lines += ["events { worker_connections 64; }", "http {", "access_log off;"]
        self.lines += [f"{name}_temp_path @folder@/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")]
        https = self.root.all("http")
        if not https:
            self._write_missing_map()
        names = {d.name for http in https for d in http.block or ()}
        if "server_names_hash_bucket_size" not in names:
            self.lines.append("server_names_hash_bucket_size 128;")
        self.lines += [f"{name} {scaled('60s', self.ask.scale)};" for name in _SILENCE if name not in names]
        for block in https or [self.root]:
            fragment = block is self.root
            inner = [d for d in block.block or () if not (fragment and _belongs_in_server(d))]
            for directive in inner:
                self._write(directive, "http")
            rest = [d for d in block.block or () if fragment and _belongs_in_server(d)]
            if rest:
                self._write_fragment(rest)
        self.lines.append("}")

    def _write_missing_map(self) -> None:
        """A fragment may use the map that its http block is known to hold."""
        defined = {d.args[-1] for d in self.every if d.name == "map" and d.args}
        if any("$connection_upgrade" in a for d in self.every for a in d.args) and "$connection_upgrade" not in defined:
            self.lines += ["map $http_upgrade $connection_upgrade { default upgrade; '' close; }"]

    def _write_fragment(self, rest: list[Directive]) -> None:
        self.lines += ["server {", f"listen 127.0.0.1:{self.doors['80']};"]
        inside = [d for d in rest if d.name == "location"]
        for directive in inside or ():
            self._write(directive, "server")
        if not inside:
            self.lines.append("location / {")
        for directive in (d for d in rest if d.name != "location"):
            self._write(directive, "server")
        self.lines += ["}"] if inside else ["}", "}"]

    def _write(self, directive: Directive, level: str) -> None:
        name = directive.name
        if name == "server" and level == "http":
            self._write_server(directive)
        elif name == "upstream" and directive.block is not None:
            self._write_upstream(directive)
        elif name == "proxy_pass":
            self._line(directive, self._proxy_pass(directive))
        elif name in OTHER_BACKENDS:
            self.lines.append("return 502;")
        elif name in BLOCKS and directive.block is not None:
            self._write_block(directive, level)
        elif name in KEPT and directive.block is None:
            self._line(directive, self._arguments(directive))
        else:
            self._leave_out(directive, level)

    def _write_block(self, directive: Directive, level: str) -> None:
        table = directive.name in ("map", "geo", "split_clients")
        if directive.name == "limit_except" or (directive.name == "if" and not _is_pure(directive)):
            if self._concerns(directive):
                raise Refusal(f"{_place(directive)} asks for files")
            return
        head = condition(directive.args) if directive.name == "if" else " ".join(map(quoted, directive.args))
        self.lines.append(f"{directive.name} {head} {{")
        for inner in directive.block or ():
            if not table:
                self._write(inner, "location")
            elif inner.name == "include" or inner.block is not None:
                raise Refusal(f"{_place(inner)} reads a file")
            else:
                self.lines.append(" ".join(map(quoted, (inner.name, *self._mapped(directive, inner)))) + ";")
        self.lines.append("}")

    def _mapped(self, table: Directive, row: Directive) -> tuple[str, ...]:
        """Return the values of a row; addresses, where the variable says what is dialled, become the stub's."""
        dials = len(table.args) > 1 and table.args[-1].strip("${}") in self.variables
        return tuple(self._address(value, row) for value in row.args) if dials else row.args

    def _write_server(self, server: Directive) -> None:
        names = [name for name in self._names_of(server) if name in self.doors]
        if not names:
            return
        self.lines.append("server {")
        for name in names:
            default = any(o in d.args for d in server.all("listen") for o in ("default_server", "default") if _listener(d.args[0]) == name)
            tls = self._speaks_tls(server, name)
            self.lines.append(f"listen 127.0.0.1:{self.doors[name]}{' ssl' if tls else ''}{' default_server' if default else ''};")
            if any("proxy_protocol" in d.args for d in server.all("listen")):
                self.left_out.append(f"proxy_protocol in {_place(server)}")
        self.lines += [f"ssl_certificate {CERTIFICATE};", f"ssl_certificate_key {CERTIFICATE};"] * any(
            self._speaks_tls(server, n) for n in names
        )
        self.lines.append("root @folder@/www;")
        for directive in server.block or ():
            if directive.name != "listen":
                self._write(directive, "server")
        self.lines.append("}")

    def _write_upstream(self, upstream: Directive) -> None:
        tls = any(d.name == "proxy_pass" and d.args and d.args[0].startswith(f"https://{upstream.args[0]}") for d in self.every)
        self.lines.append(f"upstream {quoted(upstream.args[0])} {{")
        last: list[str] = []
        for inner in sorted(upstream.block or (), key=lambda d: d.name.startswith("keepalive")):
            if inner.name == "server" and inner.args:
                options = [o for o in inner.args[1:] if SERVER_OPTIONS.match(o)]
                self.lines.append(" ".join(["server", self._stub(inner.args[0], tls=tls), *options]) + ";")
            elif inner.name in BALANCING:
                self.lines.append(" ".join(map(quoted, (inner.name, *inner.args))) + ";")
            else:
                self._leave_out(inner, "upstream")
        self.lines += [*last, "}"]

    def _stub(self, address: str, *, tls: bool) -> str:
        return f"127.0.0.1:{self.stubs.port(address, tls=tls)}"

    def _proxy_pass(self, directive: Directive) -> tuple[str, ...]:
        if not directive.args:
            return ()
        url = directive.args[0]
        name = re.match(r"\$\{?(\w+)\}?(/.*)?\Z", url)
        if name:
            return directive.args  # what sets the variable is rewritten
        match = re.match(r"(?P<scheme>https?)://(?P<authority>unix:[^:]*:?|[^/]*?)(?P<rest>/.*|\$request_uri.*|\$uri.*)?\Z", url, re.DOTALL)
        if match is None or "$" in match["authority"]:
            variables = re.findall(r"\$\{?(\w+)", match["authority"]) if match else []
            if match and variables and all(v not in ("request_uri", "uri") for v in variables):
                return (f"{match['scheme']}://{self._stub(match['authority'], tls=match['scheme'] == 'https')}{match['rest'] or ''}",)
            raise Refusal(f"{_place(directive)} names an upstream that cannot be told")
        authority, tls = match["authority"], match["scheme"] == "https"
        if authority in self.upstreams:
            return directive.args
        return (f"{match['scheme']}://{self._stub(authority, tls=tls)}{match['rest'] or ''}",)

    def _arguments(self, directive: Directive) -> tuple[str, ...]:
        if directive.name in _SILENCE and len(directive.args) == 1:
            return (scaled(directive.args[0], self.ask.scale),)
        if directive.name == "set" and len(directive.args) == 2 and directive.args[0].strip("${}") in self.variables:
            return directive.args[0], self._address(directive.args[1], directive)
        return directive.args

    def _address(self, value: str, directive: Directive) -> str:
        match = _AUTHORITY.match(value)
        if not value or value in self.upstreams or value.partition("://")[2] in self.upstreams:
            return value
        if match is None or match["host"] in self.upstreams:
            if match is None:
                raise Refusal(f"{_place(directive)} names an upstream that cannot be told")
            return value
        scheme = f"{match['scheme']}://" if match["scheme"] else ""
        return f"{scheme}{self._stub(match['host'], tls=match['scheme'] == 'https')}{match['rest'] or ''}"

    def _line(self, directive: Directive, arguments: tuple[str, ...]) -> None:
        self.lines.append(" ".join([directive.name, *map(quoted, arguments)]) + ";")

    def _leave_out(self, directive: Directive, level: str) -> None:
        """Leave a directive out when it cannot matter; else say that nothing can be tried."""
        name = directive.name
        if name in PEOPLE or WORTH_SAYING.match(name):
            self.left_out.append(_place(directive))
            return
        if name == "include" and level in ("server", "location") and self._concerns(directive):
            raise Refusal(f"{_place(directive)} could not be read")
        if name in DROPPED or DROPPED_FAMILIES.match(name) or not self._concerns(directive):
            return
        raise Refusal(f"{_place(directive)} is not known here")

    def _concerns(self, directive: Directive) -> bool:
        """Whether a directive can have a part in the route's request: it stands neither in another server nor in another location."""
        return id(directive) not in self.elsewhere

    def _elsewhere(self) -> set[int]:
        """Return what stands in other servers, and in other locations that no name leads to."""
        at = (self.ask.file, self.ask.line)
        others = [server for server in self.servers if server is not self.server]
        for location in (d for d in self.every if d.name == "location" and not (d.args and d.args[0].startswith("@"))):
            inside = [location, *walk(location)]
            if not any((d.file, d.line) == at for d in inside):
                others.append(location)
        return {id(inner) for block in others for inner in walk(block)}


def _authority_part(url: str) -> str:
    return url.partition("://")[2].partition("/")[0] if "://" in url else url.partition("/")[0]


def _belongs_in_server(directive: Directive) -> bool:
    return directive.name not in ("server", "upstream", "map", "geo", "split_clients", "http", "events", "stream", "types")


def _listener(text: str) -> str:
    """Return "80" for every address, "10.0.0.1:80" for one."""
    match = re.fullmatch(r"(?:(\[[^\]]*\]|[^:]*):)?(\d+)", text)
    if match is None:
        return f"{text}:80"
    return match[2] if match[1] in (None, "", "*", "0.0.0.0", "[::]") else f"{match[1]}:{match[2]}"  # noqa: S104 - read, not bound


def _is_pure(directive: Directive) -> bool:
    """Whether an if asks for no files but those below the root, which is the private folder."""
    words = " ".join(directive.args).strip("()").split()
    return not words or not re.fullmatch(r"!?-[fdex]", words[0]) or words[1:2] in (["$request_filename"], ["$document_root$uri"])


def _place(directive: Directive) -> str:
    return f"{directive.name} ({directive.file}:{directive.line})"
