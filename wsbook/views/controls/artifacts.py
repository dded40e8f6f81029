"""Files in a form: chosen in the browser or pasted, kept in a folder, and told to the field that takes them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ipywidgets as w

from wsbook.artifacts import LIMIT_BYTES, PARAMETERS, Kept, keep_artifact
from wsbook.errors import UsageError
from wsbook.views.controls.fields import Field
from wsbook.words import cap, size_text

__all__ = ["Artifacts"]

_LISTS = ("configs", "logs", "frontend", "backend")
_CHOICES = (("tell by the content", ""), *((words, name) for name, words in PARAMETERS.items()))
_AUTO = {"width": "auto"}


class Artifacts:
    """A file picker and a place to paste. fields: those that take files. folder: where they are kept, asked for when the first comes."""

    def __init__(self, fields: Mapping[str, Field], folder: Callable[[], Path]) -> None:
        self._fields = fields
        self._folder = folder
        limit = f"up to {size_text(LIMIT_BYTES)} each; the path of a larger one goes into its field"
        self._files = w.FileUpload(multiple=True, description="Choose files", tooltip=f"Choose files, {limit}", layout=_AUTO)
        self._kind = w.Dropdown(options=_CHOICES, description="what it is", tooltip="what the file or text is")
        self._text = w.Textarea(
            placeholder="or paste a log, a configuration, the text of a console or a HAR here",
            tooltip="text to keep as a file",
            layout=w.Layout(width="98%", height="5em"),
        )
        self._keep = w.Button(description="Keep this text", tooltip="Keep the pasted text as a file", icon="paste")
        self._keep.layout = w.Layout(width="auto", align_self="flex-start", margin="2px 2px 8px 2px")
        self._said = w.VBox()
        self._files.observe(self._chosen, "value")
        self._keep.on_click(self._pasted)
        head = w.HBox([self._files, self._kind, w.Label(value=limit)], layout=w.Layout(flex_flow="row wrap"))
        self.widget = w.VBox([head, self._text, self._keep, self._said])

    def _chosen(self, _: Any = None) -> None:
        files = self._files.value
        if files:
            self._files.value = ()  # the content stays in no control
            self._say([self._take(str(file["name"]), bytes(file["content"]))[1] for file in files])

    def _pasted(self, _: Any = None) -> None:
        kept, words = self._take("", self._text.value.encode("utf-8", "surrogatepass"))
        if kept:
            self._text.value = ""
        self._say([words])

    def _take(self, name: str, data: bytes) -> tuple[Kept | None, str]:
        """Keep one file and tell its field; return it, and what is said of it."""
        try:
            kept = keep_artifact(self._folder(), name, data, parameter=self._kind.value)
        except UsageError as error:
            return None, f"✗ {cap(str(error), 200)}"
        field = self._fields[kept.parameter]
        before = [path for path in field.value.split("; ") if path and path != str(kept.path)]
        field.value = "; ".join([*before, str(kept.path)]) if kept.parameter in _LISTS else str(kept.path)
        return kept, f"✓ {cap(kept.path.name, 80)}: {kept.words}"

    def _say(self, lines: list[str]) -> None:
        self._said.children = (*(w.Label(value=line) for line in lines), *self._said.children)[:12]
