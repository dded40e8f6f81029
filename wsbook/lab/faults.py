"""The faults that the lab can show: one declaration each, written as changes of the healthy deployment's own files.

The slug is the cause that an investigation should name. Knows nothing of processes and ports.
"""

from difflib import get_close_matches

from msgspec import Struct

from wsbook.errors import UsageError
from wsbook.lab.programs import PROXIES

__all__ = ["FAULTS", "Edit", "Fault", "edit_text", "find_fault"]

_CADDY, _NGINX, _HAPROXY = "proxy/Caddyfile", "proxy/nginx.conf", "proxy/haproxy.cfg"
_CONFIG_OF = {"caddy": _CADDY, "nginx": _NGINX, "haproxy": _HAPROXY}
_PAGE, _SERVER, _BUS = "frontend/app.js", "backend/server.py", "backend/bus.py"


class Edit(Struct, frozen=True):
    """Replace old by new everywhere in one file. until: the replaced text reaches to just before its next occurrence."""

    file: str
    old: str
    new: str
    until: str = ""


class Fault(Struct, frozen=True, kw_only=True):
    """One fault.

    shows: the symptom in a few words. tls: kind of certificate, empty for plain HTTP. scheme, path: what the page dials when
    it is not what the proxy serves. origins: the backend's allow-list instead of the page's own origin. bus: whether the
    instances are connected. subprotocols: what the page offers.
    """

    slug: str
    shows: str
    edits: tuple[Edit, ...] = ()
    tls: str = ""
    scheme: str = ""
    path: str = "/ws"
    hop_path: str = ""
    origins: tuple[str, ...] = ()
    bus: bool = True
    subprotocols: tuple[str, ...] = ()

    @property
    def proxies(self) -> tuple[str, ...]:
        """The proxies that can show it: those whose configuration it changes, or all when it changes none."""
        changed = {edit.file for edit in self.edits}
        able = tuple(name for name, file in _CONFIG_OF.items() if file in changed)
        return able or tuple(PROXIES)


_HEALTHY = Fault(slug="", shows="nothing: everything works")

_DECLARED = (
    Fault(
        slug="proxy.upgrade-header-missing",
        shows="426 from the application through the proxy, 101 directly",
        edits=(Edit(_CADDY, "@ws_b@ {\n", "@ws_b@ {\n\t\t\theader_up -Upgrade\n\t\t\theader_up -Connection\n"),),
    ),
)

FAULTS: dict[str, Fault] = {fault.slug: fault for fault in _DECLARED}


def find_fault(slug: str) -> Fault:
    """Return one fault; the healthy deployment for an empty slug.

    Raises:
        UsageError: no such fault; the text names the nearest.
    """
    if not slug:
        return _HEALTHY
    if slug not in FAULTS:
        near = get_close_matches(slug, FAULTS, n=1, cutoff=0.0)
        raise UsageError(f"the lab has no fault {slug!r}; the nearest is {near[0]}")
    return FAULTS[slug]


def edit_text(fault: Fault, file: str, text: str) -> str:
    """Return a file of the deployment with the fault's edits; an edit that finds nothing to change is our own mistake."""
    for edit in fault.edits:
        if edit.file == file:
            text = _edited(edit, text)
    return text


def _edited(edit: Edit, text: str) -> str:
    if edit.old not in text:
        raise AssertionError(f"{edit.file} has no {edit.old!r}")
    if not edit.until:
        return text.replace(edit.old, edit.new)
    begin = text.index(edit.old)
    return text[:begin] + edit.new + text[text.index(edit.until, begin) :]
