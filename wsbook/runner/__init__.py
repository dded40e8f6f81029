"""Runs the notebooks over a target: executed notebooks in the record, cleaned and with pictures. Judges nothing."""

from wsbook.runner.execute import (
    NotebookRun,
    Progress,
    RunSummary,
    execute_notebook,
    notebook_folder,
    notebook_steps,
    prepare,
    run_notebooks,
)

__all__ = ["NotebookRun", "Progress", "RunSummary", "execute_notebook", "notebook_folder", "notebook_steps", "prepare", "run_notebooks"]
