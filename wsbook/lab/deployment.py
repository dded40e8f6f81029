"""Start one deployment on loopback and hold it: folder, processes, addresses. Knows nothing of what will look at it."""

import os
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from msgspec.structs import replace

from wsbook.errors import UsageError
from wsbook.lab.certificates import write_certificate, write_resigned
from wsbook.lab.faults import Fault, edit_text, find_fault
from wsbook.lab.processes import EarlyEndError, Held, Process, hold, wait_until_ready
from wsbook.lab.proxies import CONFIGS, Proxy, read_template, set_up_proxy
from wsbook.lab.servers import server_program, start_command
from wsbook.programs import PROXIES, clean_environment, free_ports, has_ipv6_loopback, has_program, program
from wsbook.target import Target, parse_target

__all__ = ["Lab", "describe", "start_lab"]

_PAGE_FILES = ("index.html", "app.js", "style.css", "icon.svg")
_SERVER_FILES = {"server.py": "backend.py", "bus.py": "bus.py", "polling.py": "polling.py"}
_PORTS = ("proxy", "relay", "ws_a", "ws_b", "ws_c", "http_a", "http_b", "http_c", "bus", "dead")
_PLAIN = re.compile(r"[\w./+~-]+")
_STARTS = 3  # another process may take a port between our choice of it and the start


class Lab:
    """A running deployment; a context manager that stops it.

    hops run from the application outwards, the proxy excluded: it is the endpoint, url. Paths are absolute. ca_file is empty
    without TLS, or when no authority vouches for the certificate. trigger is "POST url body" with {marker} in the body.
    """

    def __init__(self, fault: Fault, proxy: str, folder: Path, keep: bool, ports: dict[str, int], ca_file: str) -> None:
        served = ("https", "wss") if fault.tls else ("http", "ws")
        name, front = "localhost" if fault.tls else "127.0.0.1", ports["relay" if fault.passed_on else "proxy"]
        host = f"{name}:{front}"
        self.fault = fault.slug
        self.proxy = proxy
        self.folder = folder
        dialled = f"{fault.host or name}:{ports['relay'] if fault.habit == 'mute' else front}"
        self.forward_proxy = f"http://127.0.0.1:{ports['relay']}" if fault.habit == "tunnel" else ""
        self.url = f"{fault.scheme or served[1]}://{dialled}{fault.path}"
        self.page_url = f"{served[0]}://{host}/"
        hop_path = fault.hop_path or fault.path
        self.hops = {_hop(name): f"ws://127.0.0.1:{ports[f'ws_{name}']}{hop_path}" for name in fault.instances}
        if fault.is_gateway:
            self.hops["proxy"] = f"ws://127.0.0.1:{ports['proxy']}{fault.path}"
        self.frontend = (str(folder / "frontend"),)
        self.backend = (str(folder / "backend"),)
        self.configs: tuple[str, ...] = (str(folder / "proxy" / CONFIGS[proxy]),)
        self.logs: tuple[str, ...] = tuple(str(folder / "logs" / f"{name}.log") for name in fault.instances)
        self.ca_file = ca_file
        self.trigger = f"POST {self.page_url}publish " + '{"type": "event", "text": "{marker}"}'
        self.message = fault.message
        self.subprotocols = fault.subprotocols
        self.headers = fault.headers
        self.pids: dict[str, int] = {}
        self._held: Held | None = None
        self._keep = keep

    def target(self) -> Target:
        """Return the lab as a target with everything that its owner could give."""
        return parse_target(
            self.url,
            page_url=self.page_url,
            subprotocols=self.subprotocols,
            headers=self.headers,
            hops=[f"{name}={url}" for name, url in self.hops.items()],
            forward_proxy=self.forward_proxy,
            ca_file=self.ca_file,
            frontend=self.frontend,
            backend=self.backend,
            configs=self.configs,
            logs=self.logs,
            trigger=self.trigger,
            message=self.message,
        )

    def stop(self) -> None:
        """End every process and remove the folder unless the caller named it; a second call does nothing."""
        held, self._held = self._held, None
        if held:
            held.stop()
            _clear(self.folder, keep=self._keep)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def describe(lab: Lab) -> dict[str, Any]:
    """Return the lab as plain values for JSON."""
    return {
        "fault": lab.fault,
        "proxy": lab.proxy,
        "url": lab.url,
        "page": lab.page_url,
        "hops": dict(lab.hops),
        "configs": list(lab.configs),
        "logs": list(lab.logs),
        "frontend": list(lab.frontend),
        "backend": list(lab.backend),
        "forward_proxy": lab.forward_proxy,
        "ca_file": lab.ca_file,
        "trigger": lab.trigger,
        "message": lab.message,
        "subprotocols": list(lab.subprotocols),
        "folder": str(lab.folder),
        "pids": dict(lab.pids),
    }


def start_lab(fault: str = "", *, proxy: str = "", folder: Path | None = None, ready_s: float = 10.0, relay: str = "") -> Lab:
    """Start the deployment and return when page, proxy and both instances answer.

    fault: a slug of FAULTS, empty for the healthy deployment. proxy: empty means Caddy, or the first installed one that can
    show the fault. folder: None means a temporary one, removed at the end; a given one must be empty and is kept.
    relay: a machine on the way, as in Fault, beside the fault; "" leaves it to the fault.

    Raises:
        UsageError: no such fault or proxy, a proxy that cannot show the fault, a missing program, a folder with content, Windows.
        EarlyEndError: a process ended or did not answer within ready_s; the text holds the end of its log.
    """
    if os.name == "nt":
        raise UsageError("the lab needs Linux or macOS")
    declared = replace(find_fault(fault), relay=relay) if relay else find_fault(fault)
    if declared.host == "[::1]" and not has_ipv6_loopback():
        raise UsageError(f"fault {fault} needs ::1, which this machine does not have")
    chosen = _choose_proxy(declared, proxy)
    path = program(chosen, f"fault {fault}" if fault else "the lab")
    for attempt in range(1, _STARTS + 1):
        place = _make_folder(folder)
        try:
            return _start(declared, chosen, path, place, keep=folder is not None, ready_s=ready_s)
        except BaseException as error:
            _clear(place, keep=False)
            if not isinstance(error, EarlyEndError) or attempt == _STARTS or "in use" not in str(error):
                raise
    raise AssertionError


def _visit(urls: Iterable[str]) -> None:
    """Connect to each of these and leave, as the visitor before us did."""
    from websockets.sync.client import connect

    for url in urls:
        with connect(url, proxy=None, open_timeout=4, close_timeout=1):
            pass


def _choose_proxy(fault: Fault, wanted: str) -> str:
    if wanted and wanted not in PROXIES:
        raise UsageError(f"proxy {wanted!r} is not one of {', '.join(PROXIES)}")
    if wanted and wanted not in fault.proxies:
        raise UsageError(f"fault {fault.slug} cannot be shown with {wanted}, only with {' or '.join(fault.proxies)}")
    return wanted or next((name for name in fault.proxies if has_program(name)), fault.proxies[0])


def _make_folder(folder: Path | None) -> Path:
    if folder is None:
        return Path(tempfile.mkdtemp(prefix="wsbook-lab-")).resolve()
    if not _PLAIN.fullmatch(str(folder.resolve())):
        raise UsageError(f"the folder {folder} has a space or sign that proxies' configurations would need quoted; name another")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"the folder {folder} is not empty; name a new one")
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


def _clear(folder: Path, *, keep: bool) -> None:
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)


def _start(fault: Fault, proxy: str, path: str, folder: Path, *, keep: bool, ready_s: float) -> Lab:
    ports = free_ports(_PORTS)
    if fault.token:
        os.environ["WSBOOK_LAB_TOKEN"] = fault.token  # whoever looks at the lab finds it there, as somebody's own secret
    _write_sources(fault, folder)
    ca_file = write_certificate(fault.tls, folder / "tls") if fault.tls else ""
    lab = Lab(fault, proxy, folder, keep, ports, ca_file)
    config = edit_text(fault, f"proxy/{CONFIGS[proxy]}", read_template(proxy))
    set_up = set_up_proxy(proxy, path, config, folder, ports, bool(fault.tls), fault.bind)
    lab.logs += set_up.logs
    processes = [_proxy_process(proxy, set_up, folder), *_backend_processes(fault, folder, ports), *_relay_processes(fault, folder, ports)]
    processes += _reload_processes(fault, folder)
    lab._held = hold(processes, "" if keep else str(folder))
    listening = [ports["proxy"], *([ports["relay"]] if fault.passed_on or fault.habit == "tunnel" else [])]
    try:
        lab.pids = wait_until_ready(lab._held, [ports[f"http_{name}"] for name in fault.instances], listening, ready_s)
        if fault.visited:
            _visit([url for name, url in lab.hops.items() if name.startswith("app")])
    except BaseException:
        lab.stop()
        raise
    return lab


def _write_sources(fault: Fault, folder: Path) -> None:
    package = files("wsbook.lab")
    sources = {f"frontend/{name}": package.joinpath("frontend", name) for name in _PAGE_FILES}
    sources |= {f"backend/{name}": package.joinpath(*source.split("/")) for name, source in _server_files(fault).items()}
    for name in ("frontend", "backend", "proxy", "logs"):
        (folder / name).mkdir()
    for name, source in sources.items():
        (folder / name).write_text(edit_text(fault, name, source.read_text(encoding="utf-8")), encoding="utf-8")


def _server_files(fault: Fault) -> dict[str, str]:
    if fault.server:
        program = server_program(fault.server)
        return {f"server{Path(program).suffix}": program, **({"bus.py": "bus.py"} if fault.bus else {})}
    wanted = {"bus.py": fault.bus, "polling.py": fault.polling}
    return {name: source for name, source in _SERVER_FILES.items() if wanted.get(name, True)}


def _hop(instance: str) -> str:
    return "app" if instance == "a" else f"app-{instance}"


def _proxy_process(name: str, proxy: Proxy, folder: Path) -> Process:
    return Process(
        name=name, argv=proxy.argv, cwd=str(folder), env=proxy.environment, output=proxy.output, gentle=name in ("nginx", "apache")
    )


def _reload_processes(fault: Fault, folder: Path) -> list[Process]:
    """Return the process that makes nginx read its configuration again and again, none when the fault reloads nothing."""
    if not fault.reload_s:
        return []
    command = f"while sleep {fault.reload_s:g}; do kill -HUP $(cat proxy/nginx.pid); done"
    (folder / "proxy" / "renew.sh").write_text(f"{command}\n", encoding="utf-8")
    output = str(folder / "logs" / "renew.log")
    return [Process(name="renew", argv=("sh", "proxy/renew.sh"), cwd=str(folder), env=clean_environment(), output=output, gentle=False)]


def _relay_processes(fault: Fault, folder: Path, ports: dict[str, int]) -> list[Process]:
    """Return the process of the machine on the way, none when the fault has no such machine."""
    if not fault.relay:
        return []
    program = "gateway.py" if fault.is_gateway else "relay.py"
    argv = [sys.executable, str(files("wsbook.lab").joinpath(program)), *fault.relay.split(), "--listen", str(ports["relay"])]
    argv += ["--to", str(ports["proxy"])] if fault.passed_on else []
    argv += ["--cert", write_resigned(folder / "relay")] if fault.habit == "resign" else []
    argv += ["--both"] if fault.tls and has_ipv6_loopback() else []
    output = str(folder / "logs" / "relay.log")
    return [Process(name="relay", argv=tuple(argv), cwd=str(folder), env=clean_environment(), output=output, gentle=False)]


def _backend_processes(fault: Fault, folder: Path, ports: dict[str, int]) -> list[Process]:
    """Write the commands as a Procfile, as such a service has one, and return the processes that it names."""
    page = f"{'https' if fault.tls else 'http'}://"
    origins = fault.origins or tuple(
        f"{page}{host}:{ports['relay' if fault.passed_on else 'proxy']}" for host in ("127.0.0.1", "localhost")
    )
    more = "".join(f" --allow-origin {origin}" for origin in origins)
    commands = {"bus": f"python bus.py {ports['bus']}"} if fault.bus else {}
    start = start_command(fault.server)
    for name in fault.instances:
        bus = f" --bus 127.0.0.1:{ports['bus']}" if fault.bus and name not in fault.off_bus else ""
        commands[name] = f"{start} --name {name} --port {ports[f'ws_{name}']} --http-port {ports[f'http_{name}']}{bus}{more}"
    text = "".join(f"{name}: {command}\n" for name, command in commands.items())
    (folder / "backend" / "Procfile").write_text(text, encoding="utf-8")
    return [_backend_process(name, command, folder) for name, command in commands.items()]


def _backend_process(name: str, command: str, folder: Path) -> Process:
    program, *arguments = shlex.split(command)
    argv = (sys.executable if program == "python" else program, *arguments)
    output = str(folder / "logs" / f"{name}.log")
    return Process(name=name, argv=argv, cwd=str(folder / "backend"), env=clean_environment(), output=output, gentle=False)
