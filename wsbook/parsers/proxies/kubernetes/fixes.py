"""Changes of an Ingress that make its route right: annotations that are missing, or have a value that is too small."""

from wsbook.facts import Change, Fix, Setting
from wsbook.parsers.proxies.artifact import Artifact
from wsbook.parsers.proxies.kubernetes.objects import Controller, annotations_of
from wsbook.parsers.proxies.trees.edits import fix_of, put_pair, reword
from wsbook.parsers.proxies.trees.yaml import Node

__all__ = ["ingress_fixes"]

_IDLE = {
    "ingress-nginx": ("proxy.idle-timeout-nginx", ("proxy-read-timeout", "proxy-send-timeout"), "3600"),
    "nginx-inc-ingress": ("proxy.idle-timeout-nginx", ("proxy-read-timeout", "proxy-send-timeout"), "3600s"),
    "haproxy-ingress": ("proxy.idle-timeout-haproxy", ("timeout-tunnel",), "1h"),
    "haproxytech-ingress": ("proxy.idle-timeout-haproxy", ("timeout-tunnel",), "1h"),
    "azure-app-gateway": ("proxy.idle-timeout-cloud", ("request-timeout",), "3600"),
    "aws-alb": ("proxy.idle-timeout-cloud", ("load-balancer-attributes",), "idle_timeout.timeout_seconds=3600"),
}
"""Product → the cause that a short limit is called by, the annotations that set it, and what to give them."""
_SHORT_S = 900.0


def ingress_fixes(
    thing: Node, controller: Controller, service: str, idle: Setting | None, upgrade: Setting, artifact: Artifact
) -> tuple[Fix | None, ...]:
    """Return the changes for a limit that is short and for upgrades that are not forwarded, None where there is none."""
    notes = annotations_of(thing)
    short = idle is None or (idle.value is not None and 0 < float(idle.value) <= _SHORT_S)
    return (
        _longer(notes, controller, artifact) if short and (idle is None or not idle.line or _inside(notes, idle)) else None,
        _forwarding(notes, controller, service, artifact) if upgrade.value == "absent" else None,
    )


def _inside(notes: Node, idle: Setting) -> bool:
    return notes.line <= idle.line <= notes.end_line


def _longer(notes: Node, controller: Controller, artifact: Artifact) -> Fix | None:
    cause, names, value = _IDLE.get(controller.product, ("", (), ""))
    if not cause:
        return None
    if controller.product == "aws-alb" and controller.prefix + names[0] in notes.pairs:
        return _longer_attribute(notes.pairs[controller.prefix + names[0]], value, artifact)
    return fix_of(artifact, (cause,), *_settled([put_pair(artifact, notes, controller.prefix + name, f'"{value}"') for name in names]))


def _longer_attribute(node: Node, value: str, artifact: Artifact) -> Fix | None:
    key = value.partition("=")[0]
    old = next((part for part in node.text.split(",") if part.strip().startswith(key)), "").strip()
    new = value if old else f"{node.text},{value}"
    return fix_of(artifact, ("proxy.idle-timeout-cloud",), reword(artifact, node.line, old or node.text, new))


def _settled(changes: list[Change | None]) -> list[Change | None]:
    """Return changes of which those that insert at one line are one."""
    inserts = [one for one in changes if one is not None and one.removed == 0]
    if len(inserts) < 2 or len({one.line for one in inserts}) > 1:
        return changes
    lines = tuple(line for one in inserts for line in one.added)
    merged = Change(file=inserts[0].file, line=inserts[0].line, added=lines)
    return [one for one in changes if one is None or one.removed] + [merged]


def _forwarding(notes: Node, controller: Controller, service: str, artifact: Artifact) -> Fix | None:
    if controller.product != "nginx-inc-ingress" or not service:
        return None
    key = "nginx.org/websocket-services"
    given = notes.pairs.get(key)
    value = f"{given.text},{service}" if given is not None and given.text else service
    return fix_of(artifact, ("proxy.upgrade-header-missing",), put_pair(artifact, notes, key, f'"{value}"'))
