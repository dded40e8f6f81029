"""The form of a target: what is typed in, and the button that runs a phase with it. Peers' text goes into Labels and fields only.

Knows nothing of steps or results: it calls what it is given, in a task whose errors it shows.
"""

import atexit
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import ipywidgets as w

from wsbook import markup
from wsbook.errors import WsbookError
from wsbook.folder import ARTIFACTS, is_investigation, write_investigation
from wsbook.parameters import redactor_of, target_from
from wsbook.redact import Redactor
from wsbook.secret import SEALED
from wsbook.target import Target
from wsbook.views.controls.artifacts import Artifacts
from wsbook.views.controls.endpoint import endpoint_parts, meant_endpoint
from wsbook.views.controls.fields import Field, groups, make_fields, on_enter
from wsbook.views.controls.fold import Fold
from wsbook.views.controls.running import Running
from wsbook.views.show import show_widget
from wsbook.words import cap

__all__ = ["Form"]

_FILES = "Files"


@cache
def _passing_folder() -> Path:
    """Return a folder that only its owner can read and that goes with the kernel: what was handed over may hold secrets."""
    folder = Path(tempfile.mkdtemp(prefix="wsbook-artifacts-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _artifact_folder() -> Path:
    """Return where files are kept: beside the notebook in an investigation's folder."""
    return Path.cwd() / ARTIFACTS if is_investigation(Path.cwd()) else _passing_folder()


class Form(Running):
    """The form of one notebook.

    run: what the button starts, with the parameters as typed. started_url: the endpoint under test when none was typed.
    """

    def __init__(self, parameters: Mapping[str, Any], started_url: str, run: Callable[[Mapping[str, Any]], Awaitable[None]]) -> None:
        super().__init__("Run this phase", "Run every step of this notebook with what is typed here")
        self._given = dict(parameters)
        self._run = run
        hint = f"{started_url} (the bundled lab)" if not parameters["url"] else "wss://host/path"
        room = w.Layout(flex="1 1 24em", min_width="14em")
        self._url = w.Text(value=str(parameters["url"]), placeholder=hint, description="endpoint", tooltip="endpoint", layout=room)
        self._url.style.description_width = "70px"
        self._fields: dict[str, Field] = make_fields([name for names in groups().values() for name in names], parameters)
        self.handed = Artifacts(self._fields, _artifact_folder)
        self._meant = w.Button(icon="magic", layout=w.Layout(width="auto", display="none"))
        self._save = w.Button(description="Save as target.toml", icon="save", layout=w.Layout(width="auto"))
        self._save.tooltip = "Write what is typed here into target.toml beside the notebook"
        self._parts = w.HBox(layout=w.Layout(flex_flow="row wrap", margin="0 0 0 74px"))
        self._wire()
        self._parse()

    def _wire(self) -> None:
        self._url.observe(self._parse, "value")
        on_enter(self._url, self._start)
        self._fields["page_url"].observe(self._parse)
        self._meant.on_click(self._use_meant)
        self._save.on_click(self._keep)

    def _parse(self, _: Any = None) -> None:
        parts = endpoint_parts(self._url.value, self._fields["page_url"].value)
        meant = meant_endpoint(self._url.value) if self._url.value.strip() else ""
        self._parts.children = tuple(w.Label(value=f"{name} {words}", layout=w.Layout(margin="0 22px 0 0")) for name, words in parts)
        self._meant.description = self._meant.tooltip = f"Use {cap(Redactor().text(meant), 80)}" if meant else ""
        self._meant.layout.display = "flex" if meant else "none"
        self._button.disabled = self.running or any(words.startswith("✗") and name == "endpoint" for name, words in parts)

    def _use_meant(self, _: Any) -> None:
        self._url.value = meant_endpoint(self._url.value) or self._url.value

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters as they are typed now."""
        return {**self._given, "url": self._url.value.strip(), **{name: field.value for name, field in self._fields.items()}}

    def put(self, parameters: Mapping[str, Any]) -> None:
        """Show other parameters."""
        self._given = dict(parameters)
        self._url.value = str(parameters["url"])
        for name, field in self._fields.items():
            field.value = parameters[name]

    def _seal(self) -> None:
        """Show references in the place of secrets that were typed."""
        sealed = Field("url", self._url.value)
        sealed.seal()
        self._url.value = sealed.value
        for field in self._fields.values():
            field.seal()

    async def _go(self) -> None:
        self._seal()
        await self._run(self.parameters)
        self._given = self.parameters

    @property
    def _target(self) -> Target:
        return target_from({name: value for name, value in self.parameters.items() if value and name in Target.__struct_fields__})

    def _keep(self, _: Any) -> None:
        """Write target.toml beside the notebook; files that were handed over move into the folder."""
        self._seal()
        try:
            write_investigation(Path.cwd(), self._target, budget=self._fields["budget"].value, redactor=redactor_of(self._target))
            self._settle()
            file = write_investigation(Path.cwd(), self._target, budget=self._fields["budget"].value, redactor=redactor_of(self._target))
        except WsbookError as error:
            self.refuse(str(error))
            return
        held = "; a secret that was typed here must be typed again next time" if SEALED in file.read_text("utf-8") else ""
        self._label.value = f"saved as {cap(str(file), 160)}{held}"

    def _settle(self) -> None:
        """Copy files that were handed over before this folder was an investigation's into its artifacts."""
        passing, folder = _passing_folder(), Path.cwd() / ARTIFACTS
        for field in self._fields.values():
            if isinstance(field.value, str) and str(passing) in field.value:
                shutil.copytree(passing, folder, dirs_exist_ok=True)
                field.value = field.value.replace(str(passing), str(folder))

    def _page(self, title: str, names: list[str]) -> Any:
        fields = [self._fields[name].widget for name in names]
        return w.VBox([self.handed.widget, *fields] if title == _FILES else fields, layout=w.Layout(margin="4px 0 8px 0"))

    @property
    def _view(self) -> Any:
        folds = [Fold(title, self._page(title, names)) for title, names in groups().items()]
        more = w.HBox([fold.button for fold in folds], layout=w.Layout(flex_flow="row wrap"))
        first = w.HBox([self._url, self._button, self._stop, self._save], layout=w.Layout(flex_flow="row wrap"))
        style = w.HTML(markup.PLOT_STYLE, layout=w.Layout(display="none"))
        about = w.HBox([self._parts, self._meant], layout=w.Layout(flex_flow="row wrap"))
        return w.VBox([style, first, about, more, *(fold.content for fold in folds), self._state])

    def show(self) -> None:
        """Display the form."""
        show_widget(self._view, "form of the target; run the cell to use it")
