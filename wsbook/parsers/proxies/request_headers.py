"""Request headers that a proxy sets or takes away, judged the same way for every product."""

from wsbook.facts import PatternFacts
from wsbook.parsers.proxies.artifact import DROPPED, Artifact, defect
from wsbook.parsers.proxies.trees.edits import fix_of, reword
from wsbook.parsers.proxies.trees.yaml import Node

__all__ = ["header_defect"]


def header_defect(name: str, node: Node, artifact: Artifact) -> PatternFacts | None:
    """Return what setting a header to a text breaks; None when nothing. node: the value, "" takes the header away."""
    header, value = name.lower(), node.text.strip()
    words = f"{name}: {value}"
    if header == "x-forwarded-proto" and value.lower() in ("ws", "wss", "http"):
        fix = fix_of(artifact, ("proxy.forwarded-headers-wrong",), reword(artifact, node.line, value, "https"))
        pattern = "header.forwarded-proto-http" if value.lower() == "http" else "header.forwarded-proto-wrong"
        return defect(pattern, artifact.name, node.line, words, fix)
    if header in ("host", ":authority") and value and not value.startswith(("$", "%", "{")):
        return defect("header.host-replaced", artifact.name, node.line, words)
    if header == "origin" and value and not value.startswith(("$", "%", "{")):
        return defect(DROPPED["origin"], artifact.name, node.line, words)
    if header == "sec-websocket-extensions" and value:
        return defect("header.extensions-set", artifact.name, node.line, words)
    if header in DROPPED and not value:
        return defect(DROPPED[header], artifact.name, node.line, f"{name} is taken away")
    return None
