"""The forms of the notebooks: the target's, each step's, and that of a load of one's own."""

from wsbook.views.controls.endpoint import endpoint_parts
from wsbook.views.controls.form import Form
from wsbook.views.controls.load_form import LoadForm
from wsbook.views.controls.step_controls import StepControls

__all__ = ["Form", "LoadForm", "StepControls", "endpoint_parts"]
