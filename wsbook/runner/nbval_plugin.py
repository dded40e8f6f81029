"""pytest's side of a replay: tells what nbval says of each cell, one line of JSON each on standard output.

Loaded with ``-p`` into a pytest of its own, which runs nbval and nothing else. Ends when whoever started it is gone: then
standard input closes.
"""

import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Generator
from typing import Any, BinaryIO

import pytest

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_GRACE_S = 8.0


class _Teller:
    """Tells the fates of cells to whoever started this pytest."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def _tell(self, item: Any, **said: Any) -> None:
        line = {"notebook": item.path.stem, "cell": item.cell["id"], **said}
        self._out.write(json.dumps(line).encode() + b"\n")
        self._out.flush()

    def pytest_runtest_setup(self, item: Any) -> None:
        """Tell that a cell begins."""
        self._tell(item)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: Any, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
        """Tell how a cell ended: same, different or ran by nbval's comparison, failed when it or its kernel did."""
        report = yield
        error = call.excinfo.value if call.excinfo else None
        if call.when == "call" or (call.when == "setup" and error):
            fate = _fate(item, error)
            outputs = [dict(output) for output in item.test_outputs or ()]
            problem = _problem(error) if error and fate == "failed" else ""
            self._tell(item, fate=fate, outputs=outputs, problem=problem, duration_s=round(call.duration, 3))
        return report


def _fate(item: Any, error: BaseException | None) -> str:
    if error is not None:
        return "different" if str(error) == "Cell outputs differ" else "failed"
    return "same" if item.options["check"] and item.cell.execution_count is not None else "ran"


def _problem(error: BaseException) -> str:
    inner = _COLOUR.sub("", str(getattr(error, "inner_traceback", None) or ""))
    lines = [line.strip() for line in inner.splitlines() if line.strip()]
    return (lines[-1] if lines else f"{type(error).__name__}: {error}")[:400]


def _end_with_owner() -> None:
    """Wait until standard input closes, then end as Ctrl-C does, which stops the kernels; with force when that does not help."""
    while os.read(0, 1 << 12):
        pass
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(_GRACE_S)
    os._exit(1)


def pytest_configure(config: pytest.Config) -> None:
    """Keep standard output for what is told; what pytest and kernels print goes to standard error."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    config.pluginmanager.register(_Teller(out), "wsbook-teller")
    threading.Thread(target=_end_with_owner, daemon=True).start()
