"""CORS as the Fetch standard has it: which answers a script may read, and which preflights let a request go."""

import pytest

from wsbook.wire.cors import check_answer, check_preflight

OWN = "https://shop.example"


def allow(origin: str, *more: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    return ("Access-Control-Allow-Origin", origin), *more


WITH = ("access-control-allow-credentials", "true")


@pytest.mark.parametrize(
    ("headers", "credentials", "refused"),
    [
        (allow(OWN), False, ""),
        (allow("*"), False, ""),
        (allow("*", WITH), True, "which does not hold for requests with cookies"),
        (allow(OWN, WITH), True, ""),
        (allow(OWN), True, "Access-Control-Allow-Credentials"),
        (allow(OWN, ("Access-Control-Allow-Credentials", "True")), True, "Access-Control-Allow-Credentials"),
        (allow(f"{OWN}/"), False, f"is {OWN}/"),
        (allow("https://SHOP.example"), False, "is https://SHOP.example"),
        (allow("null"), False, "is null"),
        (allow(OWN, ("Access-Control-Allow-Origin", "*")), False, "2 headers"),
        (allow(f"{OWN}, *"), False, f"is {OWN}, *"),
        ((), False, "no Access-Control-Allow-Origin"),
    ],
)
def test_an_answer(headers: tuple[tuple[str, str], ...], credentials: bool, refused: str) -> None:
    found = check_answer(headers, OWN, credentials=credentials)
    assert refused in found
    assert bool(found) == bool(refused)


@pytest.mark.parametrize(
    ("status", "headers", "method", "asked", "credentials", "refused"),
    [
        (204, allow(OWN), "GET", (), False, ""),
        (404, allow(OWN), "GET", (), False, "answered 404"),
        (200, (), "GET", (), False, "no Access-Control-Allow-Origin"),
        (200, allow(OWN), "POST", ("x-requested-with",), False, "does not name x-requested-with"),
        (200, allow(OWN, ("Access-Control-Allow-Headers", "X-Requested-With, X-A")), "POST", ("x-requested-with",), False, ""),
        (200, allow(OWN, ("Access-Control-Allow-Headers", "*")), "POST", ("x-a", "authorization"), False, "does not name authorization"),
        (200, allow(OWN, WITH, ("Access-Control-Allow-Headers", "*")), "POST", ("x-a",), True, "does not name x-a"),
        (200, allow(OWN), "DELETE", (), False, "does not name DELETE"),
        (200, allow(OWN, ("Access-Control-Allow-Methods", "GET,DELETE")), "DELETE", (), False, ""),
    ],
)
def test_a_preflight(
    status: int, headers: tuple[tuple[str, str], ...], method: str, asked: tuple[str, ...], credentials: bool, refused: str
) -> None:
    found = check_preflight(status, headers, OWN, method, asked, credentials=credentials)
    assert refused in found
    assert bool(found) == bool(refused)
