"""The form: what is typed in, and the button that runs a phase with it. Peers' text goes into Labels only.

Knows nothing of steps or results: it calls what it is given, in a task whose errors it shows.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import ipywidgets as w
from IPython import display as _ipython

from wsbook import markup
from wsbook.errors import UsageError, WsbookError
from wsbook.target import parse_endpoint
from wsbook.words import cap

__all__ = ["Form", "LoadForm", "endpoint_parts"]

_display: Any = _ipython.display
_GROUPS = {
    "Page and handshake": ("page_url", "origin", "subprotocols", "headers"),
    "Way to the application": ("hops", "forward_proxy", "ca_file"),
    "Files: source, configuration, logs, recordings": ("frontend", "backend", "configs", "logs", "har", "console"),
    "Symptom, budget": ("symptom", "budget", "fault"),
    "Traffic": ("trigger", "message", "broker", "schema", "selector", "sequence", "metrics", "owned"),
}
_WORDS = {
    "page_url": ("page", "https://host/page that opens the socket"),
    "origin": ("Origin", "what the browser sends; empty: that of the page"),
    "subprotocols": ("subprotocols", "names separated by ;"),
    "headers": ("headers", "Name: value; secrets as ${env:NAME}; one a line"),
    "hops": ("hops", "app=ws://127.0.0.1:8000/ws, the application first, one a line"),
    "forward_proxy": ("forward proxy", "http://proxy:3128"),
    "ca_file": ("CA file", "certificates to trust besides the system's"),
    "frontend": ("frontend", "folder of the frontend's source"),
    "backend": ("backend", "folder of the backend's source"),
    "configs": ("configurations", "files of the proxies, separated by ;"),
    "logs": ("logs", "files of proxy and backend, separated by ;"),
    "har": ("recording", "HAR file of the browser's developer tools"),
    "console": ("console", "file with the text of the browser's console"),
    "symptom": ("symptom", "what people see, in a few words"),
    "trigger": (
        "trigger",
        "POST URL BODY, SEND WS-URL TEXT, PUBLISH REDIS-URL TEXT or RUN COMMAND, with {marker}",
    ),
    "message": ("message", "message with {marker} that makes the application publish"),
    "budget": ("budget", ""),
    "fault": ("fault of the lab", "only without an endpoint"),
    "metrics": ("metrics URL", "http://host:port/metrics of the server, Prometheus text"),
    "broker": ("Redis channel", "redis://host:6379/channel that messages pass"),
    "schema": ("JSON Schema", "file with the schema of a message"),
    "selector": ("shown in", "CSS selector of the part of the page that shows messages; empty: anywhere"),
    "sequence": ("sequence", "JSON path of the number that the server gives its messages, such as $.seq"),
    "owned": ("this target is mine: load may be sent to it", ""),
}
_LONG = ("headers", "hops")
_FIGURES = {"rate": "messages/s", "connections": "connections", "size_bytes": "size (B)", "seconds": "seconds"}
_MOST = 10_000_000
_BUDGETS = ("quick", "standard", "thorough")


def endpoint_parts(url: str, page_url: str = "") -> list[tuple[str, str]]:
    """Return (part, verdict in words) of an endpoint as it is typed: scheme, host, port, path. Nothing is dialled."""
    if not url:
        return [("endpoint", "– none: files only, or the bundled lab when nothing is given")]
    try:
        parts = parse_endpoint(url.strip(), ("ws", "wss"))
    except UsageError as error:
        return [("endpoint", f"✗ {cap(str(error), 160)}")]
    mixed = not parts.secure and page_url.startswith("https:") and not parts.is_loopback
    scheme = "✗ ws from an https page is blocked by browsers" if mixed else "✓ wss, encrypted" if parts.secure else "✓ ws, not encrypted"
    explicit = parts.authority.endswith(f":{parts.port}")
    port = f"✓ {parts.port}" if explicit else f"✓ {parts.port}, the default of {parts.scheme}"
    path = f"✓ {cap(parts.resource, 60)}" if parts.path != "/" else "? /, most applications offer a longer path"
    host = f"✓ {cap(parts.host, 60)}" + (", this machine" if parts.is_loopback else "")
    return [("scheme", scheme), ("host", host), ("port", port), ("path", path)]


def _field(name: str, value: Any) -> Any:
    words, hint = _WORDS[name]
    layout = w.Layout(width="98%")
    style = {"description_width": "110px"}
    if name == "budget":
        chosen = value if value in _BUDGETS else _BUDGETS[0]
        return w.Dropdown(options=_BUDGETS, value=chosen, description=words, style=style)
    if name == "owned":
        return w.Checkbox(value=bool(value), description=words, indent=False, layout=layout)
    kind = w.Textarea if name in _LONG else w.Text
    return kind(value=str(value), description=words, placeholder=hint, layout=layout, style=style)


class _Running:
    """A button that starts something, one that stops it, and how far it is."""

    def __init__(self, words: str) -> None:
        self._task: asyncio.Task[None] | None = None
        self._button = w.Button(description=words, button_style="primary", icon="play", layout=w.Layout(width="auto"))
        self._stop = w.Button(description="Stop", disabled=True, icon="stop", layout=w.Layout(width="auto"))
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

    def _start(self, _: Any) -> None:
        self._button.disabled, self._stop.disabled = True, False
        self._label.value = "opening"
        self._task = asyncio.ensure_future(self._guarded())

    async def _guarded(self) -> None:
        """Run; whatever goes wrong is said in the label, because an exception in a task is shown nowhere else."""
        try:
            await self._go()
        except asyncio.CancelledError:
            self._label.value = "stopped; the views show what was seen before"
        except WsbookError as error:
            self._label.value = f"✗ {cap(str(error), 300)}"
        except Exception as error:  # shown, never passed over
            self._label.value = f"✗ error in wsbook: {type(error).__name__}: {cap(str(error), 300)}"
        finally:
            self._button.disabled, self._stop.disabled = False, True
            self._bar.layout.display = "none"

    def _cancel(self, _: Any) -> None:
        if self._task is not None:
            self._task.cancel()

    @property
    def _state(self) -> Any:
        return w.HBox([self._bar, self._label])


class LoadForm(_Running):
    """The form of a load of one's own. run: what the button starts, with the figures by their names."""

    def __init__(self, figures: Mapping[str, float], run: Callable[[Mapping[str, float]], Awaitable[None]]) -> None:
        super().__init__("Send this load")
        self._run = run
        self._fields = {name: self._figure(name, value) for name, value in figures.items()}

    def _figure(self, name: str, value: float) -> Any:
        kind = w.BoundedIntText if isinstance(value, int) else w.BoundedFloatText
        style = {"description_width": "initial"}
        return kind(value=value, min=0, max=_MOST, description=_FIGURES.get(name, name), style=style, layout=w.Layout(width="13em"))

    async def _go(self) -> None:
        await self._run({name: field.value for name, field in self._fields.items()})
        self.progress("", 1.0)

    def show(self) -> None:
        """Display the form."""
        first = w.HBox([*self._fields.values(), self._button, self._stop], layout=w.Layout(flex_flow="row wrap"))
        _display(w.VBox([first, self._state]))


class Form(_Running):
    """The form of one notebook.

    run: what the button starts, with the parameters as typed. started_url: the endpoint under test when none was typed.
    """

    def __init__(self, parameters: Mapping[str, Any], started_url: str, run: Callable[[Mapping[str, Any]], Awaitable[None]]) -> None:
        super().__init__("Run this phase")
        self._given = dict(parameters)
        self._run = run
        self._url = w.Text(
            value=str(parameters["url"]),
            placeholder=f"{started_url} (the bundled lab)" if not parameters["url"] else "",
            description="endpoint",
            layout=w.Layout(flex="1 1 24em", min_width="14em"),
            style={"description_width": "70px"},
        )
        self._fields = {name: _field(name, parameters[name]) for names in _GROUPS.values() for name in names}
        self._parts = w.HBox(layout=w.Layout(flex_flow="row wrap", margin="0 0 0 74px"))
        self._url.observe(self._parse, "value")
        self._fields["page_url"].observe(self._parse, "value")
        self._parse()

    def _parse(self, _: Any = None) -> None:
        parts = endpoint_parts(self._url.value, self._fields["page_url"].value)
        self._parts.children = tuple(w.Label(value=f"{name} {words}", layout=w.Layout(margin="0 22px 0 0")) for name, words in parts)
        self._button.disabled = any(words.startswith("✗") and name == "endpoint" for name, words in parts)

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters as they are typed now."""
        return {**self._given, "url": self._url.value.strip(), **{name: field.value for name, field in self._fields.items()}}

    async def _go(self) -> None:
        await self._run(self.parameters)
        self._given = self.parameters

    def show(self) -> None:
        """Display the form."""
        pages = [w.VBox([self._fields[name] for name in names]) for names in _GROUPS.values()]
        more = w.Accordion(children=pages, titles=tuple(_GROUPS), selected_index=None)
        first = w.HBox([self._url, self._button, self._stop], layout=w.Layout(flex_flow="row wrap"))
        _display(w.VBox([w.HTML(markup.PLOT_STYLE, layout=w.Layout(display="none")), first, self._parts, more, self._state]))
