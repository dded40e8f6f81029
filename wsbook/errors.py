"""What can go wrong on our caller's side, and only that.

What a peer does is data and never an exception: see observation.Failure.

    WsbookError
    ├── UsageError         the caller asked for something that makes no sense
    │   └── SecretMissingError  a secret reference names nothing
    ├── UnreadableInputError    a file that cannot be understood as what it should be
    └── UnwritableError    a file of ours that cannot be written: disk full, no permission
"""

__all__ = ["SecretMissingError", "UnreadableInputError", "UnwritableError", "UsageError", "WsbookError"]


class WsbookError(Exception):
    """Base of everything that wsbook raises on purpose; its text is one sentence for a person."""

    def _render_traceback_(self) -> list[str]:
        """Show one line instead of a traceback when raised in a notebook cell (IPython protocol)."""
        return [f"{type(self).__name__}: {self}"]


class UsageError(WsbookError):
    """A parameter, option or value that cannot be used; the text says what would be accepted."""


class SecretMissingError(UsageError):
    """A secret reference such as env:WS_TOKEN names a variable or file that does not exist."""


class UnreadableInputError(WsbookError):
    """A file that exists but cannot be read as the kind of artifact it was given as."""


class UnwritableError(WsbookError):
    """A file of a record that cannot be written; the text names it and the reason that the system gives."""
