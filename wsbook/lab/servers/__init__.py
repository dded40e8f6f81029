"""The application of the lab once more, on other libraries: which files that is, what they need, how it is started.

Each program takes the options of backend.py, answers alike, and knows nothing of the lab: a copy of it is the deployment's application.
"""

import os
from importlib.util import find_spec
from pathlib import Path

from msgspec import Struct

from wsbook.errors import UsageError
from wsbook.programs import find_program

__all__ = ["SERVERS", "Server", "server_files", "start_command"]


class Server(Struct, frozen=True, kw_only=True):
    """One program. file: its name beside this one. packages: of Python, of Node.js where node starts it. beside: files that it imports."""

    file: str
    packages: tuple[str, ...]
    command: str = "python server.py"
    beside: tuple[str, ...] = ("ticker.py",)


SERVERS: dict[str, Server] = {
    "fastapi": Server(file="fastapi.py", packages=("fastapi", "uvicorn", "websockets")),
    "aiohttp": Server(file="aiohttp.py", packages=("aiohttp",)),
    "tornado": Server(file="tornado.py", packages=("tornado",)),
    "socketio": Server(file="socketio.py", packages=("socketio", "aiohttp")),
    "node": Server(file="node.js", packages=("ws",), command="node server.js", beside=()),
}
"""By the name of the library."""


def server_files(name: str) -> dict[str, str]:
    """Return what lies in the folder of the application: the name there → the path within the lab's package.

    Raises:
        UsageError: no such server, or something that it needs is not installed.
    """
    if name not in SERVERS:
        raise UsageError(f"the lab has no server {name!r}; it has {', '.join(SERVERS)}")
    server = SERVERS[name]
    if missing := _missing(server):
        raise UsageError(f"the lab's server {name} needs {missing}")
    return {f"server{Path(server.file).suffix}": f"servers/{server.file}"} | {file: f"servers/{file}" for file in server.beside}


def start_command(name: str) -> str:
    """Return how a server is started in the folder of the application, without its options; "" is backend.py."""
    return SERVERS[name].command if name else "python server.py"


def _missing(server: Server) -> str:
    """Return what is not installed and how it is, "" when all is there."""
    if server.command.startswith("node"):
        if find_program("node") is None:
            return "node; install: apt install nodejs"
        folders = [Path(folder) for folder in os.environ.get("NODE_PATH", "").split(os.pathsep) if folder]
        lacking = [package for package in server.packages if not any((folder / package).is_dir() for folder in folders)]
        return f"{', '.join(lacking)}; install: npm install {' '.join(lacking)}, and name node_modules in NODE_PATH" if lacking else ""
    lacking = [package for package in server.packages if find_spec(package) is None]
    return f"{', '.join(lacking)}; install: pip install 'wsbook[lab]'" if lacking else ""
