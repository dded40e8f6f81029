"""Static pictures of plots, drawn by one browser in the background. Without kaleido or a browser there are none, and it says so.

Knows plotly's JSON in notebook outputs and nothing else of the project.
"""

import importlib.util
import os
import queue
import shutil
import sys
import threading
import time
from typing import Any

__all__ = ["Painter", "can_paint"]

_PLOTLY = "application/vnd.plotly.v1+json"
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
_LONGEST_S = 25.0
_WIDTH = 760


def can_paint() -> bool:
    """Tell whether kaleido and a browser for it are there."""
    browser = os.environ.get("BROWSER_PATH") or next(filter(None, map(shutil.which, _BROWSERS)), None)
    return importlib.util.find_spec("kaleido") is not None and browser is not None


def _load_logistro() -> None:
    """Load the logger of kaleido, which reads the program's command line as if it were its own, and exits over options like --log."""
    arguments, sys.argv = sys.argv, sys.argv[:1]
    try:
        importlib.import_module("logistro")
    except ImportError:  # another version of kaleido, that has none
        return
    finally:
        sys.argv = arguments


class Painter:
    """Adds image/svg+xml to the plots of notebooks, in a thread of its own, so that the run does not wait for it.

    The notebooks are changed in place; read them after finish().
    """

    def __init__(self) -> None:
        self._jobs: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._free = threading.Event()
        self._free.set()
        self._painted = 0
        self._thread: threading.Thread | None = None
        self._deadline = float("inf")

    def pause(self, paused: bool) -> None:
        """Draw nothing while something is measured that a busy browser would disturb."""
        if paused:
            self._free.clear()
        else:
            self._free.set()

    def paint(self, notebook: dict[str, Any]) -> None:
        """Queue every plot of a notebook."""
        if not can_paint():
            return
        if self._thread is None:
            _load_logistro()
            self._thread = threading.Thread(target=self._work, name="pictures", daemon=True)
            self._thread.start()
        for cell in notebook["cells"]:
            for output in cell.get("outputs", ()):
                if _PLOTLY in output.get("data", {}):
                    self._jobs.put(output["data"])

    def _work(self) -> None:
        import kaleido

        self._free.wait()
        try:
            kaleido.start_sync_server(n=1, silence_warnings=True)
        except Exception:  # a browser that does not start is no fault of the run; the plots keep their text
            return
        try:
            while (data := self._jobs.get()) is not None and time.monotonic() < self._deadline:
                self._free.wait()
                self._draw(kaleido, data)
        finally:
            kaleido.stop_sync_server(silence_warnings=True)

    def _draw(self, kaleido: Any, data: dict[str, Any]) -> None:
        plot = data[_PLOTLY]
        height = plot.get("layout", {}).get("height", 320)
        figure = {"data": plot["data"], "layout": {**plot["layout"], "width": _WIDTH}}
        try:
            drawn = kaleido.calc_fig_sync(figure, opts={"format": "svg", "width": _WIDTH, "height": height})
        except Exception:  # this plot keeps its text
            return
        data["image/svg+xml"] = drawn.decode("utf-8")
        self._painted += 1

    def finish(self) -> int:
        """Wait for the drawings, at most 25 s; return how many there are."""
        if self._thread is None:
            return 0
        self._deadline = time.monotonic() + _LONGEST_S
        self._free.set()
        self._jobs.put(None)
        self._thread.join(_LONGEST_S + 5)
        return self._painted
