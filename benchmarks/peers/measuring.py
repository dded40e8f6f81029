"""What a message costs a load generator: CPU seconds of its process, start-up removed, all peers in turns against one server.

Every peer runs in a process of its own. What tells its CPU seconds of sending itself (the C client, wsbook, the scripts on Python's
libraries) runs once a round; Locust, k6 and Tsung run twice, short and long, and the differences of messages and CPU seconds leave their
start-up out. Only ratios within a round count: machines are shared and noisy.
"""

import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
PYTHON = sys.executable


class Load(NamedTuple):
    """What is sent: window messages of each connection in flight, size bytes each; to a port on loopback."""

    port: int
    connections: int
    window: int
    size: int


class Figures(NamedTuple):
    """What a peer says: messages that came back, and its CPU seconds of sending, None when it does not tell."""

    messages: int
    cpu_s: float | None = None


class Started(NamedTuple):
    """A peer's command. answers: reads its output; stdin and environment: what it is given."""

    command: list[str]
    answers: Callable[[str], Figures]
    stdin: str = ""
    environment: tuple[tuple[str, str], ...] = ()


class Peer(NamedTuple):
    """A generator by name. missing: why it cannot run here, "" when it can; start: makes its command for a load and seconds."""

    name: str
    missing: str
    start: Callable[[Load, float], Started]


class Cost(NamedTuple):
    """Of one peer in one round: messages, of two runs those of the long one beyond the short one, and CPU microseconds of each."""

    messages: int
    micros: float


def built(folder: Path) -> dict[str, Path]:
    """Compile the C server and client into a folder; empty without a compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return {}
    found = {name: folder / name for name in ("echo_server", "client")}
    for name, path in found.items():
        subprocess.run([compiler, "-O2", "-o", str(path), str(HERE / f"{name}.c")], check=True)
    return found


@contextmanager
def echo_server() -> Iterator[tuple[int, int, Path]]:
    """Serve echoes in a process of its own; yields its port, its process id and the C client's path.

    Raises:
        SystemExit: there is no C compiler.
    """
    with tempfile.TemporaryDirectory() as folder:
        programs = built(Path(folder))
        if not programs:
            raise SystemExit("cc is not installed: the echo server and the reference client cannot be built, nothing was measured")
        server = subprocess.Popen([str(programs["echo_server"])], stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            yield int(server.stdout.readline()), server.pid, programs["client"]
        finally:
            server.terminate()
            server.wait()
            assert server.stdout is not None
            server.stdout.close()


def run(started: Started) -> tuple[Figures, float]:
    """Run a peer to its end; return what it says, and the CPU seconds of it and its children from begin to end."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as given:
        given.write(started.stdin)
        given.seek(0)
        environment = {**os.environ, **dict(started.environment)}
        process = subprocess.Popen(started.command, stdin=given, stdout=out, stderr=subprocess.STDOUT, env=environment)
        _, status, spent = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        said = out.read()
    if process.returncode:
        raise RuntimeError(f"{Path(started.command[0]).name} ended with {process.returncode}: {said[-500:]}")
    return started.answers(said), spent.ru_utime + spent.ru_stime


def cost(peer: Peer, load: Load, short_s: float, long_s: float) -> Cost:
    """Return what a message costs a peer."""
    (many, own_s), most_s = run(peer.start(load, long_s))
    if own_s is not None:
        return Cost(many, own_s / max(1, many) * 1e6)
    (few, _), least_s = run(peer.start(load, short_s))
    if many <= few:
        raise RuntimeError(f"{peer.name} had {few} answers in {short_s:g} s and {many} in {long_s:g} s")
    return Cost(many - few, (most_s - least_s) / (many - few) * 1e6)


def last_numbers(said: str) -> Figures:
    """Return what stands in the last line that has only numbers: messages, and CPU seconds where they are told."""
    found = re.findall(r"^(\d+)(?: (\d+\.\d+))?(?: \d+)?$", said, re.MULTILINE)
    if not found:
        raise RuntimeError(f"no count in {said[-300:]!r}")
    return Figures(int(found[-1][0]), float(found[-1][1]) if found[-1][1] else None)


def c_client(path: Path) -> Peer:
    """The reference."""

    def start(load: Load, seconds: float) -> Started:
        return Started([str(path), *map(str, load), str(seconds)], last_numbers)

    return Peer("C client", "", start)


def wsbook(engine: str) -> Peer:
    """Our generator as a process: a plan in, figures out. Every message is accounted, or there is no figure."""

    def start(load: Load, seconds: float) -> Started:
        plan = {
            "attempt": {"url": f"ws://127.0.0.1:{load.port}/"},
            "connections": load.connections,
            "window": load.window,
            "size_bytes": load.size,
            "seconds": seconds,
            "engine": engine,
        }
        return Started([PYTHON, "-m", "wsbook.probes.generator"], accounted, stdin=json.dumps(plan))

    def accounted(said: str) -> Figures:
        figures = json.loads(next(line for line in reversed(said.splitlines()) if '"received"' in line and '"rate"' in line))
        wrong = {name: figures.get(name, 0) for name in ("lost", "duplicated", "reordered", "foreign")}
        if any(wrong.values()) or figures["received"] != figures["sent"] or figures["generator"]["engine"] != engine:
            raise RuntimeError(
                f"wsbook lost count: {wrong}, {figures['sent']} sent, {figures['received']} received, {figures['generator']}"
            )
        return Figures(int(figures["received"]), float(figures["generator"]["cpu_s"]))

    return Peer(f"wsbook {engine}", "" if engine == "numpy" or find_spec("numba") else "numba is not installed", start)


def python_library(name: str) -> Peer:
    """A client on one of Python's libraries."""

    def start(load: Load, seconds: float) -> Started:
        return Started([PYTHON, str(HERE / "python_clients.py"), name, *map(str, load), str(seconds)], last_numbers)

    shown = name if name == "websockets" else f"{name} with uvloop" if find_spec("uvloop") else name
    return Peer(shown, "" if find_spec(name) else f"{name} is not installed", start)


def locust() -> Peer:
    """Locust with WebSocket users."""

    def start(load: Load, seconds: float) -> Started:
        users = str(load.connections)
        command = [PYTHON, "-m", "locust", "-f", str(HERE / "locust_users.py"), "--headless", "--only-summary"]
        sized = (("LOAD", f"{load.port} {load.window} {load.size}"),)
        return Started([*command, "-u", users, "-r", users, "-t", f"{seconds:.0f}s"], last_numbers, environment=sized)

    missing = [name for name in ("locust", "websocket") if find_spec(name) is None]
    return Peer("Locust", f"{' and '.join(missing)} not installed" if missing else "", start)


def k6() -> Peer:
    """k6 with its module k6/ws."""

    def start(load: Load, seconds: float) -> Started:
        values = {"PORT": load.port, "CONNECTIONS": load.connections, "WINDOW": load.window, "SIZE": load.size, "SECONDS": seconds}
        given = [part for name, value in values.items() for part in ("-e", f"{name}={value}")]
        return Started(["k6", "run", *given, str(HERE / "k6_echo.js")], counted)

    def counted(said: str) -> Figures:
        found = re.search(r"answered\.*: *(\d+)", said)
        if found is None:
            raise RuntimeError(f"no count in {said[-300:]!r}")
        return Figures(int(found[1]))

    return Peer("k6", "" if shutil.which("k6") else "k6 is not installed", start)


def tsung(folder: Path) -> Peer:
    """Tsung with WebSocket sessions, one message in flight each; it counts rounds, not seconds."""

    def start(load: Load, seconds: float) -> Started:
        each = max(1, round(seconds * 5000 / load.connections))
        words = {"PORT": load.port, "CONNECTIONS": load.connections, "EACH": each, "MESSAGE": "x" * load.size}
        text = (HERE / "tsung.xml").read_text(encoding="utf-8")
        for word, value in words.items():
            text = text.replace(f'"{word}"', f'"{value}"').replace(f">{word}<", f">{value}<")
        plan, logs = folder / "tsung.xml", Path(tempfile.mkdtemp(dir=folder))
        plan.write_text(text, encoding="utf-8")
        # a port mapper of its own, which is ended with it
        command = f'tsung -f "{plan}" -l "{logs}" start; code=$?; epmd -kill >/dev/null 2>&1; cat "{logs}"/*/tsung.log; exit $code'
        return Started(
            ["/bin/sh", "-c", command], counted, environment={"ERL_EPMD_PORT": str(load.port % 20_000 + 40_000), "HOME": str(folder)}
        )

    def counted(said: str) -> Figures:
        # requests with the connecting and the closing one of each user
        requests = re.findall(r"stats: request .* (\d+)$", said, re.MULTILINE)
        first = re.findall(r"stats: request (\d+) ", said)
        users = re.findall(r"stats: websocket_succ (\d+)", said)
        if not requests or not users:
            raise RuntimeError(f"no count in {said[-300:]!r}")
        return Figures(max(int(requests[-1]), sum(map(int, first))) - 2 * sum(map(int, users)))

    return Peer("Tsung", "" if shutil.which("tsung") else "tsung is not installed", start)


def artillery() -> Peer:
    """Artillery sends without reading what comes back, so its messages are none that anybody accounted: it is named and left out."""
    return Peer("Artillery", "it reads no answers, so it has no comparable figure", lambda _, __: Started([], last_numbers))


def compare(peers: list[Peer], load: Load, *, rounds: int, short_s: float, long_s: float, reference: str) -> dict[str, list[float]]:
    """Run the peers in turns, print each round and the ratios to the reference, and return name → ratios.

    A ratio is a peer's CPU time a message over that of the reference in the same round. Peers that are missing are named.
    """
    for peer in peers:
        if peer.missing:
            print(f"{peer.name}: skipped, {peer.missing}")
    ready = [peer for peer in peers if not peer.missing]
    costs: dict[str, list[float]] = {peer.name: [] for peer in ready}
    for turn in range(rounds):
        for peer in ready:
            found = cost(peer, load, short_s, long_s)
            costs[peer.name].append(found.micros)
            print(f"round {turn + 1}: {peer.name:20} {found.micros:9.3f} µs of CPU a message, {found.messages:,} messages", flush=True)
    ratios = {name: [one / base for one, base in zip(found, costs[reference], strict=True)] for name, found in costs.items()}
    for name, found in ratios.items():
        low, middle, high = min(found), statistics.median(found), max(found)
        best = min(costs[name]) / min(costs[reference])
        shown = f"{low:.2f}/{middle:.2f}/{high:.2f}, best over best {best:.2f}"
        print(f"{name:20} {statistics.median(costs[name]):9.3f} µs; over {reference} min/median/max {shown}")
    return ratios


def between(ratios: dict[str, list[float]], peer: str, ours: str) -> list[float]:
    """Return how many times as much a peer spends as we do, by round; empty when one of them is missing."""
    if peer not in ratios or ours not in ratios:
        return []
    return [theirs / own for theirs, own in zip(ratios[peer], ratios[ours], strict=True)]


def judged(what: str, found: list[float], bar: float, *, at_most: bool) -> bool:
    """Print a ratio against its bar; True when it misses."""
    if not found:
        return False
    middle = statistics.median(found)
    missed = middle > bar if at_most else middle < bar
    shown = f"{min(found):.2f}/{middle:.2f}/{max(found):.2f}"
    print(f"{what}: {shown}, bar {'≤' if at_most else '≥'} {bar:g}{', MISSED' if missed else ''}")
    return missed


def open_files() -> None:
    """Let this process and its children open as many files as they may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
