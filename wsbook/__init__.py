"""wsbook finds out why real-time updates do not arrive, and proves it."""

from importlib import import_module
from typing import Any

_EXPORTS = {
    "Attempt": "attempt",
    "Budget": "target",
    "Case": "case",
    "Cause": "causes",
    "Endpoint": "target",
    "Evidence": "evidence",
    "Finding": "finding",
    "Hop": "target",
    "Observation": "observation",
    "Target": "target",
    "UnreadableInputError": "errors",
    "UsageError": "errors",
    "Verdict": "finding",
    "WsbookError": "errors",
    "cause": "causes",
    "causes": "causes",
    "parse_endpoint": "target",
    "parse_target": "target",
}
"""Public name → module that defines it; loaded at first use (PEP 562), so that importing wsbook costs nothing."""

__all__ = ["__version__", *_EXPORTS]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'wsbook' has no attribute {name!r}")
    return getattr(import_module(f"wsbook.{_EXPORTS[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_EXPORTS])
