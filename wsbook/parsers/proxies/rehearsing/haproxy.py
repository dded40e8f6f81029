"""HAProxy configuration to one that is tried on loopback. Pure; see rehearsing.py for what is carried over.

Source: HAProxy configuration manual 2.6, chapter 4.2 (alphabetically sorted keywords) and 5 (bind and server options).
"""

import re
from collections.abc import Iterator, Mapping

from wsbook.parsers.proxies.artifact import Artifact
from wsbook.parsers.proxies.haproxy.sections import Line, Section, parse_sections
from wsbook.parsers.proxies.rehearsing.stage import CERTIFICATE, Adapted, Ask, Refusal, Stage, Stubs, host_of, sample_path, scaled

__all__ = ["adapt_haproxy"]

_PROXIES = ("frontend", "backend", "listen")
_KEPT = frozenset(
    """
    mode balance hash-type timeout cookie acl use_backend default_backend redirect http-request http-response http-reuse retries
    option no fullconn dynamic-cookie-key unique-id-format unique-id-header stick stick-table use-server maxconn http-after-response
    rate-limit backlog tcp-request tcp-response
    """.split()  # noqa: SIM905 - a table
)
"""Carried over when nothing in them reads a file, runs a program or dials."""
_OPTIONS = frozenset(
    """
    forwardfor http-server-close httpclose forceclose http-keep-alive http-pretend-keepalive http-tunnel prefer-last-server redispatch
    abortonclose http-use-proxy-header http-buffer-request http-ignore-probes http-no-delay http-restrict-req-hdr-names
    h1-case-adjust-bogus-server h1-case-adjust-bogus-client accept-invalid-http-request accept-invalid-http-response
    disable-h2-upgrade originalto splice-auto splice-request splice-response tcpka clitcpka srvtcpka http_proxy transparent
    tcp-smart-accept tcp-smart-connect independent-streams contstats nolinger allbackups persist checkcache
    """.split()  # noqa: SIM905 - a table
)
_DROPPED = frozenset(
    """
    log log-format log-format-sd log-tag error-log-format stats errorfile errorfiles errorloc errorloc302 errorloc303 http-error
    monitor-uri monitor http-check tcp-check default-server description id compression capture email-alert filter grace enabled
    disabled external-check server-state-file-name load-server-state-from-file bind bind-process source server-template declare
    force-persist ignore-persist http-send-name-header dispatch server
    """.split()  # noqa: SIM905 - a table
)
_WORTH_SAYING = ("filter", "default-server", "monitor", "http-error", "source")
_HARMFUL = re.compile(
    r"\blua\b|\bspoe\b|\bsend-spoe|\bmap(?:_\w+)?\(|\s-f\s|\s-M\s|\berrorfiles?\b|\bdo-resolve\b|\bcache-(?:use|store)\b|\bset-log"
)
_PEOPLE = re.compile(r"http_auth|\bauth\b|\bsrc\b.*deny")
_ARGUMENTS = frozenset("weight maxconn minconn cookie sni alpn proto ws pool-max-conn slowstart".split())  # noqa: SIM905 - a table
_FLAGS = frozenset(("ssl", "backup", "disabled", "allow-0rtt"))
_BIND_OPTIONS = ("alpn", "proto", "npn")
_BARE = re.compile(r"[^\s#\"'\\]+\Z")
_SILENCE = ("client", "server", "tunnel")
_MAX_LINES = 20_000


def adapt_haproxy(artifact: Artifact, stage: Stage, ask: Ask, changed: Mapping[str, str] | None = None) -> Adapted:
    """Return a configuration, or the changed text of it, for loopback.

    Raises:
        Refusal: it cannot be tried there; the words say why.
    """
    text = (changed or {}).get(artifact.name, artifact.text)
    return _Writer(parse_sections(Artifact(text=text, name=artifact.name)), stage, ask, {artifact.name: artifact.text}).adapted()


class _Writer:
    """Writes one configuration anew."""

    def __init__(self, sections: list[Section], stage: Stage, ask: Ask, texts: Mapping[str, str]) -> None:
        self.sections = [section for section in sections if section.kind in _PROXIES]
        if sum(len(section.lines) + len(section.defaults) for section in self.sections) > _MAX_LINES:
            raise Refusal("it has too many lines")
        self.stage, self.ask, self.texts = stage, ask, texts
        self.stubs = Stubs(stage, ask.secure)
        self.left_out: list[str] = []
        self.lines: list[str] = []
        self.doors: dict[str, tuple[int, bool]] = {}
        self.passes_tls = any(re.search(r"\breq[._]ssl_", line.text) for section in self.sections for line in section.lines)

    def adapted(self) -> Adapted:
        """Write everything and say where to knock."""
        entrances = [s for s in self.sections if s.kind in ("frontend", "listen") and _binds(s)]
        for section in entrances:
            for number, bind in enumerate(_binds(section)):
                if len(self.doors) < len(self.stage.listen):
                    self.doors[f"{section.name}:{number}"] = (self.stage.listen[len(self.doors)], "ssl" in bind.words or self.passes_tls)
        alone = [section for section in self.sections if section.kind == "backend"]
        if not entrances and not any(section.kind == "frontend" for section in self.sections) and alone:
            self.doors = {"unnamed:0": (self.stage.listen[0], False)}
        door = self.ask.door or self._door(entrances) or next(iter(self.doors), "")
        if door not in self.doors:
            raise Refusal("no frontend of it listens on a TCP port")
        self.lines += ["global", "    maxconn 200", "    stats timeout 5s"]
        for number, section in enumerate(self.sections):
            self._write(section, number)
        if "unnamed:0" in self.doors:
            at = next((s for s in alone if self.ask.line == s.number or any(line.number == self.ask.line for line in s.lines)), alone[0])
            self._write_entrance(at)
        port, tls = self.doors[door]
        return Adapted(
            files={"haproxy.cfg": "\n".join(self.lines) + "\n"},
            door=door,
            port=port,
            tls=tls,
            stage=self.stage,
            host=self.ask.host or host_of(_hosts(self.sections)),
            resource=self.ask.resource or self._sample(),
            secure=frozenset(self.stubs.secure),
            texts=self.texts,
            left_out=tuple(dict.fromkeys(self.left_out)),
        )

    def _write_entrance(self, backend: Section) -> None:
        """Write the frontend that a fragment leaves out."""
        mode = backend.last("mode")
        timeouts = [
            f"    mode {mode.words[1] if mode and len(mode.words) > 1 else 'tcp'}",
            *(f"    timeout {name} 1m" for name in ("connect", "client", "server")),
        ]
        self.lines += ["", "defaults entrance", *timeouts, "", "frontend unnamed from entrance"]
        self.lines += [f"    bind 127.0.0.1:{self.doors['unnamed:0'][0]}", f"    default_backend {backend.name}"]

    def _door(self, entrances: list[Section]) -> str:
        """Return the listener of the frontend that holds the route, by the endpoint's port or with TLS where it can be chosen."""
        at = self.ask.line
        ours = [s for s in entrances if s.number == at or any(line.number == at for line in s.lines)]
        chosen = ours or [s for s in entrances if any(line.number == at for line in self._target_lines(s))] or entrances
        names = [(f"{s.name}:{n}", bind) for s in chosen for n, bind in enumerate(_binds(s))]
        wanted = [name for name, bind in names if self.ask.port and re.search(rf":{self.ask.port}\b", bind.words[1])]
        secure = [name for name, bind in names if "ssl" in bind.words]
        return next(iter(wanted + secure + [name for name, _ in names]), "")

    def _target_lines(self, entrance: Section) -> Iterator[Line]:
        names = {line.words[1] for line in (*entrance.all("use_backend"), *entrance.all("default_backend")) if len(line.words) > 1}
        for section in self.sections:
            if section.kind == "backend" and section.name in names:
                yield Line(words=(), number=section.number)
                yield from section.lines

    def _sample(self) -> str:
        words = [line for section in self.sections for line in (*section.all("acl"), *section.all("use_backend"))]
        relevant = [line for line in words if line.number == self.ask.line or line.words[0] == "acl"]
        text = " ".join(self.ask.matcher.split())
        names = set(re.findall(r"[\w.-]+", text))
        for line in relevant:
            if line.words[0] == "acl" and (len(line.words) < 4 or line.words[1] not in names):
                continue
            found = re.search(r"\bpath(?:_beg|_reg|_dir)?\s+(?:-i\s+|-m\s+\w+\s+)*(\S+)", line.text)
            if found and (path := sample_path(found[1])):
                return path
        return "/"

    def _write(self, section: Section, number: int) -> None:
        if section.defaults:
            self.lines += ["", f"defaults d{number}"]
            for line in section.defaults:
                self._line(line, section)
        parent = f" from d{number}" if section.defaults else ""
        self.lines += ["", f"{section.kind} {section.name or f'unnamed{number}'}{parent}"]
        names = [(name, *door) for name, door in self.doors.items() if name.rpartition(":")[0] == section.name]
        binds = dict(zip([name for name, _, _ in names], _binds(section), strict=False))
        if section.kind != "backend":
            self.lines += [f"    bind 127.0.0.1:{port}{_bind_options(binds[name])}" for name, port, _ in names]
        for line in section.lines:
            if line.words[0] == "server":
                self._server(line, section)
            else:
                self._line(line, section)

    def _line(self, line: Line, section: Section) -> None:
        """Carry a line over, leave it out, or refuse: by its keyword and by what it would do."""
        name, words = line.words[0], _without_files(line.words)
        text = f" {' '.join(words)} "
        known = name in _KEPT and (name != "option" or words[1:2] == () or words[1] in _OPTIONS)
        if name == "timeout" and len(words) > 2 and words[1] in _SILENCE:
            words = (*words[:2], scaled(words[2], self.ask.scale, "ms"))
        if known and not _HARMFUL.search(text) and not _PEOPLE.search(text):
            self.lines.append("    " + " ".join(map(_quoted, words)))
        elif known and _PEOPLE.search(text):
            self.left_out.append(f"{name} (line {line.number})")
        elif known:
            raise Refusal(f"line {line.number} reads a file or runs a program: {line.text[:60]}")
        elif name not in _DROPPED and name not in _KEPT:
            raise Refusal(f"line {line.number} is not known here: {line.text[:60]}")
        elif name in _WORTH_SAYING:
            self.left_out.append(f"{name} (line {line.number})")

    def _server(self, line: Line, section: Section) -> None:
        """Write a server with the stub's address; its options are those that have to do with how it is spoken to."""
        if len(line.words) < 3:
            raise Refusal(f"line {line.number} names no address")
        usual = [w for s in (section.last("default-server"),) if s for w in s.words[1:]]
        options = list(_options([*usual, *line.words[3:]]))
        tls = ("ssl",) in options
        options = [option for option in options if option[0] != "alpn" or tls] + ([("verify", "none")] if tls else [])
        port = self.stubs.port(line.words[2], tls=tls or self.passes_tls)
        written = " ".join(" ".join(map(_quoted, option)) for option in dict.fromkeys(options))
        self.lines.append(f"    server {_quoted(line.words[1])} 127.0.0.1:{port} {written}".rstrip())


def _options(words: list[str]) -> Iterator[tuple[str, ...]]:
    index = 0
    while index < len(words):
        word = words[index]
        index += 1
        if word in _ARGUMENTS and index < len(words):
            yield word, words[index]
            index += 1
        elif word in _FLAGS:
            yield (word,)


def _binds(section: Section) -> list[Line]:
    return [line for line in section.all("bind") if len(line.words) > 1 and re.search(r":\d+", line.words[1]) and "/" not in line.words[1]]


def _bind_options(bind: Line) -> str:
    words, tls = list(bind.words), "ssl" in bind.words
    options = f" ssl crt {CERTIFICATE}" if tls else ""
    for name in _BIND_OPTIONS:
        if name in words[:-1] and (tls or name == "proto"):
            options += f" {name} {_quoted(words[words.index(name) + 1])}"
    return options


def _without_files(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return a line that answers with a text of ours where it would answer with a file, and keeps no table with peers."""
    found = list(words)
    for name in ("file", "lf-file"):
        if words[:2] == ("http-request", "return") and name in found[:-1]:
            at = found.index(name)
            found[at : at + 2] = ["string", "stand-in"]
    if words[0] == "stick-table" and "peers" in found[:-1]:
        at = found.index("peers")
        del found[at : at + 2]
    return tuple(found)


def _hosts(sections: list[Section]) -> Iterator[str]:
    for section in sections:
        for line in section.all("acl"):
            found = re.search(r"\b(?:hdr\(host\)|hdr_beg\(host\)|req\.hdr\(host\))\s+(?:-i\s+|-m\s+\w+\s+)*(\S+)", line.text, re.IGNORECASE)
            if found:
                yield found[1]


def _quoted(word: str) -> str:
    return word if _BARE.match(word) else '"' + re.sub(r'([\\"$])', r"\\\1", word) + '"'
