"""Where the notebooks and data that travel with the package are: in the wheel, or beside the package in a checkout."""

from pathlib import Path

from wsbook.errors import WsbookError

__all__ = ["data_folder", "notebooks_folder"]


def _shipped(name: str) -> Path:
    package = Path(__file__).parent
    for folder in (package / "_shipped" / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise WsbookError(f"this installation of wsbook lacks its {name}; install it again")


def notebooks_folder() -> Path:
    """Return the folder of the notebooks."""
    return _shipped("notebooks")


def data_folder() -> Path:
    """Return the folder of samples and schemas."""
    return _shipped("data")
