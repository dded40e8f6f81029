"""The application of the lab once more, on other libraries: which program that is, what it needs, how it is started.

Each program takes the options of backend.py, answers alike, and knows nothing of the lab: a copy of it is the deployment's application.
"""

from importlib.util import find_spec

from wsbook.errors import UsageError

__all__ = ["SERVERS", "server_program", "start_command"]

SERVERS: dict[str, tuple[str, tuple[str, ...]]] = {}
"""Name → its file beside this one, and the Python packages that it imports."""


def server_program(name: str) -> str:
    """Return the path of a server's program within the lab's package.

    Raises:
        UsageError: no such server, or a package that it needs is not installed.
    """
    if name not in SERVERS:
        raise UsageError(f"the lab has no server {name!r}; it has {', '.join(SERVERS)}")
    file, packages = SERVERS[name]
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise UsageError(f"the lab's server {name} needs {', '.join(missing)}; install: pip install 'wsbook[lab]'")
    return f"servers/{file}"


def start_command(name: str) -> str:
    """Return how a server is started in the folder of the application, without its options; "" is backend.py."""
    return "python server.py"
