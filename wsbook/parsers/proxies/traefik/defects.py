"""Defects of Traefik's routers, middlewares and services, with their fixes."""

import re
from collections.abc import Iterator, Sequence

from wsbook.facts import Fix, PatternFacts
from wsbook.parsers.proxies.artifact import Artifact, defect, hints_at_polling, hints_at_websocket, loopback_of_container
from wsbook.parsers.proxies.request_headers import header_defect
from wsbook.parsers.proxies.routing import Candidate, falls_through, shadows
from wsbook.parsers.proxies.traefik.model import Config, Router, Service, words_of
from wsbook.parsers.proxies.traefik.paths import applied
from wsbook.parsers.proxies.trees.edits import fix_of, put_pair, reword
from wsbook.parsers.proxies.trees.yaml import Node
from wsbook.parsers.proxies.upstreams import has_address, is_private, port_defect

__all__ = ["router_defects", "static_defects"]

_VERSION_1 = re.compile(r"\s*(?:Host|HostRegexp|Path|PathPrefix|PathPrefixStrip|PathStrip)\s*:")
_VERSION_2 = re.compile(r"\b(?:Host|Path|PathPrefix)\(`[^`]*`\s*,|`[^`]*\{\w+:[^`]*`")
_BROKEN = re.compile(r"^v?(?:2\.11\.1|3\.0\.0-rc4)$")


def _found(pattern: str, node: Node, words: str, artifact: Artifact, fix: Fix | None = None) -> PatternFacts:
    return defect(pattern, artifact.name, node.line, words[:300], fix)


def router_defects(
    routers: Sequence[Router],
    candidates: Sequence[Candidate],
    judged: Sequence[bool | None],
    config: Config,
    artifact: Artifact,
    path: str,
) -> Iterator[PatternFacts]:
    """Yield what is wrong with the routers that serve the endpoint or may, and with those that never get it."""
    modern = bool(re.search(r"traefik:v?3", config.tree.at("image")))
    if path and routers and not any(s is not False for s in judged) and any(r.rule.tree for r in routers):
        yield _found("traefik.no-router", routers[0].node, f"no router takes {path}", artifact)
    for late, early in shadows(candidates):
        router, other = routers[late], routers[early]
        if _redirects(router, config):
            continue
        if set(router.entry_points) & set(other.entry_points) or not (router.entry_points and other.entry_points):
            words = f"{other.name} (priority {other.priority:g}) takes what {router.name} ({router.priority:g}) is for"
            yield _found("traefik.router-shadowed", router.node.get("priority") or router.node.get("rule") or router.node, words, artifact)
    if (open_one := falls_through(candidates, judged)) is not None:
        yield _found("route.catch-all", routers[open_one].node, f"router {routers[open_one].name}", artifact)
    for router, candidate in zip(routers, candidates, strict=True):
        meant = candidate.sample and hints_at_websocket(candidate.words) == 2
        if meant and _redirects(router, config) and not any(other.possible and other.fits(candidate.sample) for other in candidates):
            yield _found("traefik.router-redirects", router.node, f"router {router.name}", artifact)
    for router, serves in zip(routers, judged, strict=True):
        yield from _rule_defects(router, serves, artifact, path, modern=modern)
        if serves is not False:
            yield from _service_defects(router, config, artifact, path)
            yield from _middleware_defects(router, config, artifact, path)


def _redirects(router: Router, config: Config) -> bool:
    return any(kind.startswith("redirect") for kind, _ in applied(router, config))


def _rule_defects(router: Router, serves: bool | None, artifact: Artifact, path: str, *, modern: bool) -> Iterator[PatternFacts]:
    place = router.node.get("rule") or router.node
    if _VERSION_1.match(router.rule.text):
        yield _found("traefik.old-rule", place, router.rule.text, artifact)
    elif modern and _VERSION_2.search(router.rule.text):
        yield _found("traefik.rule-of-version-2", place, router.rule.text, artifact)
    for name, arguments, negated in router.rule.calls:
        if name.startswith("header") and len(arguments) == 2 and not negated and not name.endswith("regexp"):
            header, value = arguments[0].lower(), arguments[1]
            if (header == "upgrade" and value != "websocket") or (header == "connection" and "upgrade" in value.lower()):
                yield _found("traefik.handshake-matcher-too-strict", place, router.rule.text, artifact)
        if name == "path" and any(a.rstrip("/") in ("/socket.io", "/engine.io", "/sockjs") for a in arguments):
            wanted = next((a for a in arguments if hints_at_polling(a)), "")
            fix = fix_of(artifact, ("proxy.ws-location-missing",), reword(artifact, place.line, f"Path(`{wanted}", f"PathPrefix(`{wanted}"))
            yield _found("traefik.exact-path", place, router.rule.text, artifact, fix)
    single = router.rule.paths and all(name != "pathprefix" for name, _, _ in router.rule.calls if name.startswith("path"))
    if serves is not False and single and not path and not any(hints_at_polling(p) for p in router.rule.paths):
        yield _found("route.exact-perhaps", place, router.rule.text, artifact)
    if router.tcp and not router.tls and router.rule.host:
        yield _found("traefik.sni-without-tls", place, router.rule.text, artifact)


def _middleware_defects(router: Router, config: Config, artifact: Artifact, path: str) -> Iterator[PatternFacts]:
    known = config.middlewares
    if {"websecure", "https"} & set(router.entry_points) and not router.tls and not router.tcp and not _entry_tls(router, config):
        yield _found("traefik.tls-not-told", router.node, f"router {router.name} on {', '.join(router.entry_points)} without tls", artifact)
    for name, place in router.middlewares:
        if known and name not in known and "@" not in place.text:
            yield _found("traefik.middleware-unknown", place, f"router {router.name} uses middleware {name}", artifact)
    for kind, node in applied(router, config):
        yield from _one_middleware(kind, node, router, artifact, path)


def _entry_tls(router: Router, config: Config) -> bool:
    """Tell whether the entry points of a router make it one of TLS themselves."""
    entries = [config.tree.get("entrypoints", name, "http", "tls") for name in router.entry_points]
    return any(entry is not None and entry.text != "false" for entry in entries)


def _one_middleware(kind: str, node: Node, router: Router, artifact: Artifact, path: str) -> Iterator[PatternFacts]:
    if kind == "headers":
        yield from _header_defects(node, artifact)
    elif kind in ("forwardauth", "basicauth", "digestauth", "ipallowlist", "ipwhitelist"):
        yield _found("traefik.auth-on-handshake", node, f"router {router.name}: {kind}", artifact)
    elif kind == "ratelimit" and 0 < (_number(node, "average") or 0) / max(1.0, _period_s(node.at("period"))) < 5:
        yield _found("traefik.rate-limit", node, f"average {node.at('average')}", artifact)
    elif kind == "inflightreq" and (_number(node, "amount") or 1e9) <= 200:
        yield _found("traefik.in-flight-cap", node.get("amount") or node, f"amount {node.at('amount')}", artifact)
    elif kind == "plugin":
        yield _found("traefik.plugin", node, f"router {router.name}: {', '.join(node.pairs)}", artifact)
    elif kind == "buffering" and re.search(r"event|stream|sse", " ".join(router.rule.paths)):
        yield _found("traefik.buffering", node, f"router {router.name}", artifact)
    elif kind == "addprefix":
        prefix = node.at("prefix").rstrip("/")
        doubled = bool(prefix) and any(rule.startswith(prefix) for rule in router.rule.paths)
        yield _found("traefik.prefix-doubled" if doubled else "rewrite.prefix-added", node, f"addPrefix {prefix}", artifact)
    elif kind.startswith("stripprefix") or (kind == "replacepath"):
        yield from _path_defects(kind, node, router, artifact, path)


def _number(node: Node, key: str) -> float | None:
    found = node.get(key)
    return found.number if found else None


def _period_s(text: str) -> float:
    match = re.fullmatch(r"(\d{1,6})(s|m|h)?", text)
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600, None: 1}[match[2]] if match else 1.0


def _header_defects(node: Node, artifact: Artifact) -> Iterator[PatternFacts]:
    for name, value in node.map("customrequestheaders").items():
        if found := header_defect(name, value, artifact):
            yield found


def _path_defects(kind: str, node: Node, router: Router, artifact: Artifact, path: str) -> Iterator[PatternFacts]:
    prefixes = [word for word, _ in words_of(node.get("prefixes"))] if kind == "stripprefix" else [node.at("path") or node.at("regex")]
    for prefix in prefixes:
        library = hints_at_polling(prefix if kind == "stripprefix" else " ".join(router.rule.paths))
        if library and not (kind == "replacepath" and hints_at_polling(prefix)):
            yield _found("traefik.library-prefix-stripped", node, f"{kind} {prefix}", artifact)
        elif not path or path.startswith(prefix):
            yield _found("rewrite.prefix-replaced", node, f"{kind} {prefix}", artifact)


def _service_defects(router: Router, config: Config, artifact: Artifact, path: str) -> Iterator[PatternFacts]:
    service = config.services.get(router.service)
    if service is None:
        local = config.services and router.service and "@" not in router.node.at("service")
        if local and router.node.get("service") is not None:
            yield _found("traefik.service-unknown", router.node.get("service") or router.node, router.service, artifact)
        return
    named = service.node.at("serverstransport").partition("@")[0].lower()
    transport = config.tree.get("http", "serverstransports", named) if named else config.tree.get("serverstransport")
    trusting = (transport is not None and transport.at("insecureskipverify") == "true") or (bool(named) and transport is None)
    yield from _address_defects(service, artifact, transport, trusting=trusting)
    checked = service.node.get("healthcheck", "path")
    if checked is not None and hints_at_websocket(checked.text) == 2 and not re.search(r"health|ready|live", checked.text):
        yield _found("traefik.health-check-on-socket", checked, f"healthCheck {checked.text}", artifact)
    passed = service.node.get("passhostheader")
    if passed is not None and passed.text.lower() == "false":
        fix = fix_of(artifact, ("origin.proxy-rewrites-host",), reword(artifact, passed.line, passed.text, "true"))
        yield _found("traefik.host-not-passed", passed, "passHostHeader: false", artifact, fix)
    several = max(len(service.servers), service.replicas, len(service.parts)) > 1
    secure = service.node.get("sticky", "cookie", "secure")
    if (
        several
        and secure is not None
        and secure.text == "true"
        and not router.tls
        and not {"websecure", "https"} & set(router.entry_points)
    ):
        fix = fix_of(artifact, ("cluster.no-sticky-session",), reword(artifact, secure.line, "true", "false"))
        yield _found("traefik.secure-cookie-on-plain", secure, f"router {router.name} without TLS, sticky cookie secure", artifact, fix)
    polled = hints_at_polling(" ".join((*router.rule.paths, path)))
    if several and not service.sticky:
        fix = fix_of(artifact, ("cluster.no-sticky-session",), put_pair(artifact, service.node, "sticky", "", "  cookie: {}"))
        pattern = "traefik.no-stickiness" if polled else "balance.no-stickiness-perhaps"
        yield _found(pattern, service.node, f"service {service.name}: several servers, no sticky cookie", artifact, fix)


def _address_defects(service: Service, artifact: Artifact, transport: Node | None, *, trusting: bool) -> Iterator[PatternFacts]:
    for url, place in service.servers[:20]:
        if url.startswith("h2c://"):
            fix = fix_of(artifact, ("proxy.h2-to-upstream",), reword(artifact, place.line, "h2c", "http"))
            yield _found("traefik.h2-to-upstream", place, url, artifact, fix)
        elif found := port_defect(url, artifact, place.line):
            yield found
        elif url.startswith("https://") and is_private(url) and not trusting:
            if transport is None or (has_address(url) and not transport.at("servername")):
                pattern = "upstream.certificate-for-a-name" if transport is not None else "upstream.private-certificate"
                yield _found(pattern, place, url, artifact)
        elif loopback_of_container(artifact.text, url):
            yield _found("proxy.loopback-of-container", place, url, artifact)


def static_defects(config: Config, artifact: Artifact) -> Iterator[PatternFacts]:
    """Yield what the static part does to every connection."""
    for _, entry in list(config.tree.map("entrypoints").items())[:50]:
        if entry.get("transport", "respondingtimeouts", "tcp", "lingeringtimeout") is not None:
            yield _found("traefik.lingering-timeout", entry, "respondingTimeouts.tcp.lingeringTimeout", artifact)
    for router in config.routers:
        options = config.tree.get("tls", "options", router.node.at("tls", "options").partition("@")[0].lower() or "default")
        listed = options.get("alpnprotocols") if options is not None else None
        ends = router.tcp and router.tls and router.node.at("tls", "passthrough") != "true"
        if ends and (listed is None or any(one.text == "h2" for one in listed.items)):
            pattern = "traefik.tcp-offers-h2" if listed is not None else "traefik.tcp-offers-h2-perhaps"
            yield _found(pattern, listed or router.node, f"TCP router {router.name} ends TLS", artifact)
    for name, options in config.tree.map("tls", "options").items():
        wanted = options.get("clientauth", "clientauthtype")
        if wanted is not None and wanted.text != "NoClientCert":
            pattern = "tls.client-certificate-required" if wanted.text.startswith("RequireAnd") else "tls.client-certificate-requested"
            yield _found(pattern, wanted, f"tls options {name}: {wanted.text}", artifact)
        least = options.get("minversion")
        if least is not None and least.text == "VersionTLS13":
            yield _found("tls.only-newest", least, f"tls options {name}: {least.text}", artifact)
        listed = options.get("alpnprotocols")
        if listed is not None and listed.items and not any(one.text == "http/1.1" for one in listed.items):
            yield _found("envoy.listener-h2-only", listed, f"tls options {name}: {', '.join(o.text for o in listed.items)}", artifact)
    image = config.tree.get("image")
    if image is not None and _BROKEN.match(image.text.rpartition(":")[2]) and "traefik" in image.text:
        yield _found("traefik.broken-release", image, image.text, artifact)
