"""What every test shares: required programs, and an environment without proxies or secrets."""

import os

import pytest

from wsbook.programs import find_program

REQUIRED = frozenset(filter(None, os.environ.get("WSBOOK_REQUIRE", "").split(",")))
"""Programs that must be there: a test that needs one of them fails instead of skipping."""


def find(program: str) -> str | None:
    """Return the program's path; administrators' folders are searched too."""
    return find_program(program)


def needs(*programs: str) -> pytest.MarkDecorator:
    """Mark a test that needs system programs: it skips with their names, or fails when WSBOOK_REQUIRE names one."""
    missing = [program for program in programs if not find(program)]
    if REQUIRED.intersection(missing):
        return pytest.mark.usefixtures("required_program_missing")
    return pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}")


@pytest.fixture
def required_program_missing() -> None:
    pytest.fail("a program named in WSBOOK_REQUIRE is not installed")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clear proxy, TLS and wsbook variables that would change what a probe does."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE", "WSBOOK_RECORD"):
            monkeypatch.delenv(name)
