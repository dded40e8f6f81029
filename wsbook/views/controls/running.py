"""A button that starts something and one that stops it. Peers' text goes into Labels only."""

import asyncio
from typing import Any

import ipywidgets as w

from wsbook.errors import WsbookError
from wsbook.words import cap

__all__ = ["Running"]


class Running:
    """A button that starts something, one that stops it, and how far it is."""

    def __init__(self, words: str, tip: str = "", *, primary: bool = True) -> None:
        self._task: asyncio.Task[None] | None = None
        auto, style = w.Layout(width="auto"), "primary" if primary else ""
        self._button = w.Button(description=words, tooltip=tip or words, button_style=style, icon="play", layout=auto)
        self._stop = w.Button(description="Stop", tooltip="Stop this run", disabled=True, icon="stop", layout=w.Layout(width="auto"))
        self._bar = w.FloatProgress(value=0, min=0, max=1, layout=w.Layout(width="160px", display="none"))
        self._label = w.Label(value="ready")
        self._button.on_click(self._start)
        self._stop.on_click(self._cancel)

    async def _go(self) -> None:
        """Do what the button starts."""
        raise NotImplementedError

    def progress(self, text: str, fraction: float) -> None:
        """Tell how far a run is; an empty text means that it is over."""
        self._label.value = cap(text, 160) if text else "done"
        self._bar.value = fraction
        self._bar.layout.display = "flex" if text else "none"

    def refuse(self, why: str) -> None:
        """Say why nothing was run."""
        self._label.value = f"✗ {cap(why, 340)}"

    @property
    def running(self) -> bool:
        """Whether what the button started is not over yet."""
        return self._task is not None and not self._task.done()

    def _start(self, _: Any = None) -> None:
        if self.running or self._button.disabled:
            return
        self._button.disabled, self._stop.disabled = True, False
        self._label.value = "starting"
        self._task = asyncio.ensure_future(self._guarded())

    async def _guarded(self) -> None:
        """Run; whatever goes wrong is said in the label, because an exception in a task is shown nowhere else."""
        try:
            await self._go()
        except asyncio.CancelledError:
            self._label.value = "stopped; the views show what was seen so far"
        except WsbookError as error:
            self.refuse(str(error))
        except Exception as error:  # shown, never passed over
            self.refuse(f"error in wsbook: {type(error).__name__}: {error}")
        finally:
            self._button.disabled, self._stop.disabled = False, True
            self._bar.layout.display = "none"

    def _cancel(self, _: Any = None) -> None:
        if self._task is not None:
            self._task.cancel()

    @property
    def _state(self) -> Any:
        return w.HBox([self._bar, self._label])
