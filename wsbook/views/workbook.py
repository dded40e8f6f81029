"""What a notebook calls: opens the case, runs steps, shows each step's picture, table and verdict.

One result feeds every view of a step. In JupyterLab a form runs the same steps again and every view follows; in batch the
form is a table of the inputs. Judges nothing and draws nothing itself.
"""

import asyncio
import os
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from wsbook.case import Case, StepResult
from wsbook.errors import SecretMissingError
from wsbook.folder import read_investigation
from wsbook.inquiry import find_cause
from wsbook.parameters import parameters_of, require_files, target_from
from wsbook.steps import BESIDE, PHASES, STEPS
from wsbook.target import Budget, Target
from wsbook.views import judged, show, tables
from wsbook.views.own_load import show_own_load
from wsbook.views.show import Shown
from wsbook.views.step_view import StepView

if TYPE_CHECKING:
    from wsbook.views.console import Console
    from wsbook.views.controls import Form, StepControls

__all__ = ["PARAMETERS", "Workbook", "is_interactive", "open_workbook"]

PARAMETERS = {
    "url": "",
    "page_url": "",
    "origin": "",
    "subprotocols": "",
    "headers": "",
    "hops": "",
    "forward_proxy": "",
    "ca_file": "",
    "frontend": "",
    "backend": "",
    "configs": "",
    "logs": "",
    "har": "",
    "console": "",
    "trigger": "",
    "message": "",
    "symptom": "",
    "budget": "quick",
    "fault": "",
    "record": "",
    "owned": False,
    "metrics": "",
    "broker": "",
    "schema": "",
    "selector": "",
    "sequence": "",
}
"""Parameters of every notebook → their defaults; an empty text means "not given"."""


class Progress(Protocol):
    """Where a workbook tells how far it is."""

    def __call__(self, text: str, fraction: float) -> None: ...


def is_interactive(environ: Mapping[str, str] = os.environ, namespace: Mapping[str, Any] = MappingProxyType({})) -> bool:
    """Tell whether somebody can use a form: a kernel of a Jupyter server, or of VS Code, that is not told to run in batch.

    Jupyter Server names the notebook in the kernel's environment; VS Code, which starts kernels by itself, does so in the
    notebook's namespace (microsoft/vscode-jupyter pull request 8531).
    """
    return environ.get("WSBOOK_BATCH") != "1" and ("JPY_SESSION_NAME" in environ or "__vsc_ipynb_file__" in namespace)


class Workbook:
    """The case of one notebook and everything on its screen.

    problem: why the case is not that of the parameters, which can be put right in the form.
    """

    def __init__(self, phase: str, case: Case, parameters: Mapping[str, Any], *, live: bool, problem: str = "") -> None:
        self.phase = phase
        self.case = case
        self.parameters = dict(parameters)
        self.live = live
        self._views: list[StepView] = []
        self._shown: list[Shown] = []
        self._console: Console | None = None
        self._form: Form | None = None
        self._controls: dict[str, StepControls] = {}
        self._turn = asyncio.Lock()
        self._problem = problem
        self._tell: Progress = lambda text, fraction: None
        self._stop_at = time.monotonic() + case.budget.total_s
        self._until_sure = not live and os.environ.get("WSBOOK_UNTIL_SURE") == "1"
        selected = os.environ.get("WSBOOK_STEPS", "")
        self._selected = frozenset(selected.split(",")) if selected else frozenset(STEPS)
        if self._until_sure and phase != "0":
            self._selected = frozenset(case.looked)

    def form(self) -> None:
        """Show the form that runs this phase again; in batch a table of the inputs."""
        if self.live:
            from wsbook.views.controls import Form

            self._form = Form(self.parameters, self.case.target.url, self.again)
            self.parameters = self._form.parameters  # as the form writes them, so that what is unchanged is equal
            self._form.show()
            if self._problem:
                self._form.refuse(f"{self._problem}; or type it anew here, and run")
            else:
                self._tell = self._form.progress
        else:
            show.show(lambda: show.bundle_table(tables.table_inputs(self.case.target, self.case.budget.name), "no input"), view="inputs")

    def chain(self) -> None:
        """Show the path of an update with the state of each place; it follows every step that runs later."""
        self._show(judged.path, "chain")

    async def _look(self, step: str, *, anew: bool = False) -> StepResult:
        skip = step not in self._selected or (self.case.done(step) and not anew)
        return self.case.result(step) if skip else await self.case.run(step, self._tell)

    @property
    def _known(self) -> dict[str, Any]:
        """The parameters of the case now: a lab's own where nothing was given."""
        return {**self.parameters, **parameters_of(self.case.target)}

    def _show_controls(self, step: str) -> None:
        """Show what runs this step again, where somebody can use it."""
        if self.live:
            from wsbook.views.controls import StepControls

            self._controls[step] = StepControls(step, self._known, lambda changes: self.step_again(step, changes))
            self._controls[step].show()

    async def begin(self, *steps: str) -> None:
        """Start steps that mostly wait beside those before them; step() shows them when their turn comes."""
        self.case.begin(*(step for step in steps if step in self._selected))
        await asyncio.sleep(0)

    async def step(self, step: str) -> StepView:
        """Run one step, or take it from the record when it is done there, and return its views."""
        self._show_controls(step)
        async with self._turn:
            self._tell(f"{step} {STEPS[step].title}", 0.0)
            view = StepView(step, await self._look(step), self.live)
        self._views = [*(one for one in self._views if one.step != step), view]
        self._follow()
        return view

    async def step_again(self, step: str, changes: Mapping[str, Any]) -> tuple[StepResult, StepResult]:
        """Run a step again with some parameters changed, which are the notebook's from then on; return its result before and now.

        The other steps keep what they saw; everything is judged anew, and every view follows. Runs come one after another. Stopped
        or failed, everything stays as it is.

        Raises:
            UsageError: a parameter cannot be used.
        """
        controls = self._controls[step]
        if self._turn.locked():
            controls.progress("waiting until another run is over", 0.0)
        async with self._turn:
            case = await asyncio.to_thread(_varied, self.case, changes) if changes else self.case
            before, after = self.case.result(step), await case.run(step, controls.progress)
            self.case = case
            if changes:
                self._take({**self._known, "budget": case.budget.name, "fault": ""}, ran=(step,))
            for view in self._views:
                result = self.case.result(view.step)
                if view.step == step or result != view.result:
                    view.refresh(result)
            self._follow()
        return before, after

    def _take(self, parameters: Mapping[str, Any], ran: Collection[str]) -> None:
        """Make parameters those of the notebook, and show them in every form. ran: the steps that have been run with them."""
        self.parameters = dict(parameters)
        if self._form is not None:
            self._form.put(self.parameters)
            self.parameters = self._form.parameters
        for step, controls in self._controls.items():
            controls.put(self._known, ran=step in ran)

    def _follow(self) -> None:
        """Bring what hangs on the whole case up to date."""
        self._tell("", 1.0)
        for shown in self._shown:
            shown.refresh()
        if self._console is not None:
            self._console.refresh()

    async def suspects(self) -> None:
        """Show what is suspected and what would separate it; where one sure cause is enough, look until there is one, and show how."""
        if self._until_sure:
            await find_cause(self.case, self._tell)
            self._show(judged.looks, "looks")
        self._show(judged.suspected, "suspects")
        self._show(judged.next_look, "next look")

    async def complete(self) -> None:
        """Run every step that the record does not hold yet, in the order of the investigation."""
        for step in STEPS:
            if step in self._selected and not self.case.done(step):
                await self.begin(*BESIDE.get(step, ()))
                await self._look(step)
        self._follow()

    async def again(self, parameters: Mapping[str, Any]) -> None:
        """Open the case of other parameters and run the steps on the screen again; every view follows.

        Raises:
            UsageError: a parameter cannot be used; the screen stays as it is.
        """
        async with self._turn:
            if self._problem or parameters != self.parameters:
                self.case = await asyncio.to_thread(self._opened, parameters)
                self._problem, self._tell = "", self._form.progress if self._form else self._tell
                self._take(parameters, ran=self._controls)
            try:
                await self._look_again()
            finally:
                self._follow()

    def _opened(self, parameters: Mapping[str, Any]) -> Case:
        """Return the case of other parameters, on the lab that is there when it is still the target; the case before is closed."""
        if parameters["url"] and parameters["url"] == self.case.target.url:
            return self.case.varied(_target(parameters), Budget.named(parameters["budget"]), keep=False)
        case = Case.open(**{**parameters, "record": ""})
        self.case.close()
        return case

    async def _look_again(self) -> None:
        """Run the steps on the screen again; stopped, those that were not reached show what is known of them."""
        if self.phase == "5":
            for step in STEPS:
                await self._look(step, anew=True)
        for number, view in enumerate(self._views):
            self._tell(f"{view.step} {STEPS[view.step].title}", 0.0)
            try:
                view.refresh(await self._look(view.step, anew=True))
            except asyncio.CancelledError:
                for left in self._views[number:]:
                    left.refresh(self.case.result(left.step))
                raise

    def _show(self, make: Callable[[Case], Mapping[str, Any]], view: str) -> None:
        """Show something of the whole case; it follows every step that runs later."""
        self._shown.append(show.show(lambda: make(self.case), view=view, live=self.live))

    def root_causes(self) -> None:
        """Show each root cause as a card: what is wrong, the proof, the fix, how to check it."""
        self._show(judged.root_causes, "root causes")

    def steps(self) -> None:
        """Show the verdict and sentence of every step."""
        self._show(judged.steps, "steps")

    def findings(self) -> None:
        """Show every fault with what explains it."""
        self._show(judged.findings, "findings")

    def timeline(self) -> None:
        """Show everything observed in order of time, as a picture of lanes and as a table."""
        self._show(judged.timeline, "timeline")
        self._show(judged.events, "events")

    def not_looked(self) -> None:
        """Show what was not looked at, why, and what to provide."""
        self._show(judged.not_looked, "not looked")

    def verdicts(self) -> None:
        """Show the verdict of every step in words that only change when a verdict changes."""
        self._show(judged.verdicts, "verdicts")

    def root_cause_line(self) -> None:
        """Show the root causes in words that only change when they change."""
        self._show(judged.root_cause_line, "root cause line")

    def how_made(self) -> None:
        """Show the versions, budget and command that made this record; without a record nothing is kept and nothing is shown."""
        made = (self.case.record.read_json("environment.json") if self.case.record else None) or {}
        rows = [{"what": name, "value": str(value)} for name, value in made.items() if isinstance(value, str | int)]
        rows += [{"what": name, "value": str(value)} for name, value in made.get("packages", {}).items()]
        show.show(lambda: show.bundle_table(tables.frame(rows, ["what", "value"]), "nothing is kept: no record was given"), view="made")

    def load(self) -> None:
        """Show a form for a load of one's own and what came of it, which is not recorded; in batch the command that sends the same."""
        show_own_load(lambda: self.case.target, live=self.live)

    def console(self) -> None:
        """Show a console to talk to the endpoint by hand, of which nothing is recorded; in batch how to get one."""
        if not self.live:
            show.show(lambda: show.bundle_line("a console to talk to the endpoint by hand: wsbook open, and run this cell"), view="console")
            return
        from wsbook.views.console import Console

        self._console = Console(lambda: self.case)
        self._console.show()

    def plan(self) -> None:
        """Show the questions of the steps in their order."""
        rows = [
            {"phase": PHASES.get(one.number[0], "Triage"), "step": f"{one.number} {one.title}", "question": one.question}
            for one in STEPS.values()
        ]
        show.show(lambda: show.bundle_table(tables.frame(rows, ["phase", "step", "question"]), ""), view="plan")

    def close(self) -> None:
        """Give back what the case holds; in JupyterLab it stays open for the form."""
        if not self.live:
            self.case.close()


def _target(parameters: Mapping[str, Any]) -> Target:
    """Return the target of parameters; its files are there.

    Raises:
        UsageError: a parameter cannot be used.
    """
    target = target_from({name: value for name, value in parameters.items() if value and name in Target.__struct_fields__})
    require_files(target)
    return target


def _varied(case: Case, changes: Mapping[str, Any]) -> Case:
    """Return the case with some parameters changed and everything that was seen."""
    limits = Budget.named(changes.get("budget") or case.budget.name)
    return case.varied(_target({**parameters_of(case.target), **changes}), limits)


def _stored(folder: Path) -> dict[str, Any]:
    """Return the parameters that stand in the target.toml of an investigation's folder; {} without one, or when nothing is given there."""
    stored = read_investigation(folder)
    parameters = parameters_of(stored.target) if stored else {}
    return {**parameters, "budget": stored.budget} if stored and any(parameters.values()) else {}


def open_workbook(phase: str, namespace: Mapping[str, Any] | None = None, **parameters: Any) -> Workbook:
    """Open the workbook of a notebook.

    phase: "0" to "5". namespace: the notebook's globals(), from which the parameters are taken by their names. Where they name no
    target, that of the investigation's folder is taken, if the kernel runs in one.

    Raises:
        UsageError: a parameter cannot be used.
    """
    given = {name: (namespace or {}).get(name, default) for name, default in PARAMETERS.items()} | parameters
    if not any(given[name] for name in given if name not in ("record", "budget")):
        given = {**given, **_stored(Path.cwd())}
    live = is_interactive(namespace=namespace or {})
    try:
        return Workbook(phase, Case.open(**given), given, live=live)
    except SecretMissingError as error:
        if not live:
            raise
        return Workbook(phase, Case(Target(url=""), Budget.named(given["budget"])), given, live=live, problem=str(error))
