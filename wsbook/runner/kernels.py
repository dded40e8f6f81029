"""Kernels that are started before they are needed, and the papermill engine that runs one notebook in one of them.

Imports papermill, so nothing but the runner imports it, and late. Knows cells and kernels, nothing of steps or findings.
"""

import os
import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from jupyter_client.manager import KernelManager
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat.notebooknode import NotebookNode
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines

from wsbook.programs import dying_with_us

__all__ = ["ENGINE", "Ready", "Trouble"]

ENGINE = "wsbook"
_node: Any = NotebookNode  # not annotated there
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_WARM = "--IPKernelApp.exec_lines=import wsbook.views.workbook"
_APART = ("--IPKernelApp.ignore_cwd=True", "--HistoryManager.enabled=False")
"""The kernel runs in the record's folder, which may be somebody else's: modules that lie there are not imported. Cells of notebooks are
no commands that somebody typed, and stay out of the person's history."""


class _Manager(KernelManager):
    """Starts without an event loop, is talked to from one. Encrypts its sockets, which also silences a warning of each kernel."""

    client_class = "jupyter_client.asynchronous.AsyncKernelClient"


class Ready:
    """A kernel process that imports what notebooks need while another notebook still runs.

    It ends when we do: of itself a kernel looks for its parent only once it has started, and then once a second.
    """

    def __init__(self, folder: Path, environ: dict[str, str], holding: Collection[int] = ()) -> None:
        """Start the process. holding: descriptors that it shares with us, so that what they hold is held until it has ended, too."""
        self._options: dict[str, Any] = {"cwd": str(folder), "env": environ, "extra_arguments": [_WARM, *_APART]}
        if os.name == "posix":
            self._options |= {"pass_fds": tuple(holding), "preexec_fn": dying_with_us()}
        self._start()

    def _start(self) -> None:
        self.manager = _Manager(kernel_name="python3", transport_encryption="auto")
        self.manager.start_kernel(**self._options)

    def start_again(self) -> None:
        """Start another process: between the choice of a kernel's ports and its start somebody else may take one of them."""
        self.stop()
        self._start()

    def stop(self) -> None:
        """End the process at once; what it had to close, its notebook has closed."""
        self.manager.shutdown_kernel(now=True)


class Trouble:
    """What happened to the cells of one run: the notebook as it stands, failed cells, the sentence of the worst."""

    def __init__(self) -> None:
        self.notebook: Any = None
        self.failed: list[str] = []
        self.problem = ""

    def note(self, cell: Any, error: BaseException) -> None:
        """Note a failed cell; the first problem is kept."""
        self.failed.append(str(cell.get("id", "")))
        lines = [line for line in _COLOUR.sub("", str(error)).splitlines() if line.strip()]
        self.problem = self.problem or f"{type(error).__name__}: {lines[-1] if lines else ''}"[:400]


class _Client(PapermillNotebookClient):  # type: ignore[misc]
    """Runs every cell: one that fails does not stop the others, unless it opens the case or the kernel is gone."""

    def __init__(self, *args: Any, trouble: Trouble, on_cell: Callable[[Any, int, int], None], **options: Any) -> None:
        super().__init__(*args, **options)
        self._trouble = trouble
        self._on_cell = on_cell
        self.began = False

    def execute(self, **options: Any) -> Any:
        """Run the notebook in its kernel; unlike papermill it asks the kernel nothing afterwards, which may be gone by then."""
        self.reset_execution_trackers()
        with self.setup_kernel(**options):
            self.papermill_execute_cells()
        return self.nb

    def papermill_execute_cells(self) -> None:
        """Execute the cells in order; replaces papermill's loop, which stops at the first error and passes over a dead kernel."""
        self.began = True
        for index, cell in enumerate(self.nb.cells):
            self._on_cell(cell, index, len(self.nb.cells))
            self.nb_man.cell_start(cell, index)
            fatal = self._execute_one(cell, index)
            self.nb_man.cell_complete(self.nb.cells[index], cell_index=index)
            if fatal:
                break

    def _execute_one(self, cell: Any, index: int) -> bool:
        """Execute a cell; return whether the notebook ends with it."""
        try:
            self.execute_cell(cell, index)
        except CellExecutionError as error:
            self._trouble.note(cell, error)
            self.nb_man.cell_exception(cell, cell_index=index, exception=error)
            return bool({"open", "parameters", "injected-parameters"} & set(cell.metadata.get("tags", ())))
        except (CellTimeoutError, DeadKernelError) as error:
            self._trouble.note(cell, error)
            text = f"{type(error).__name__}: the cell did not end in time or its kernel died; nothing after it was run"
            cell.outputs.append(_node({"output_type": "error", "ename": type(error).__name__, "evalue": text, "traceback": [text]}))
            self.nb_man.cell_exception(cell, cell_index=index, exception=error)
            return True
        return False


class _Engine(NBClientEngine):  # type: ignore[misc]
    """papermill's own engine with our client."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **options: Any) -> Any:
        """Run the notebook in the kernel of options["ready"]."""
        ready, trouble = options["ready"], options["trouble"]
        trouble.notebook = nb_man.nb
        try:
            if not cls._ran(nb_man, kernel_name, options):
                ready.start_again()
                cls._ran(nb_man, kernel_name, options, last=True)
        except (DeadKernelError, RuntimeError) as error:  # the kernel did not start
            trouble.note(nb_man.nb.cells[0], error)
        return nb_man.nb

    @staticmethod
    def _ran(nb_man: Any, kernel_name: str, options: dict[str, Any], *, last: bool = False) -> bool:
        """Run the notebook; return False where its kernel ended before it was ready, which is raised when it is the last attempt."""
        client = _Client(
            nb_man,
            km=options["ready"].manager,
            trouble=options["trouble"],
            on_cell=options["on_cell"],
            timeout=options["execution_timeout"],
            startup_timeout=60,
            kernel_name=kernel_name,
            raise_on_iopub_timeout=False,
        )
        try:
            client.execute()
        except (DeadKernelError, RuntimeError):
            if last or client.began:
                raise
            return False
        finally:
            if client.kc is not None:
                client.kc.stop_channels()
        return True


papermill_engines.register(ENGINE, _Engine)
