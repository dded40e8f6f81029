"""Which close codes an endpoint may send, and what they are called."""

import pytest

from wsbook.errors import UsageError
from wsbook.wire.closing import check_close, close_words


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1007, 1011, 1014, 3000, 3999, 4000, 4999])
def test_codes_that_may_be_sent(code: int) -> None:
    check_close(code, "done")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "may not be sent"),
        (999, "may not be sent"),
        (1004, "is reserved"),
        (1005, "without a code"),
        (1006, "without a close frame"),
        (1015, "TLS handshake"),
        (1016, "3000 to 4999"),
        (2999, "3000 to 4999"),
        (5000, "may not be sent"),
        (-1, "may not be sent"),
    ],
)
def test_codes_that_no_frame_carries(code: int, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        check_close(code)


@pytest.mark.parametrize(("reason", "fits"), [("r" * 123, True), ("r" * 124, False), ("é" * 61, True), ("é" * 62, False)])
def test_a_reason_is_counted_in_bytes(reason: str, fits: bool) -> None:
    if fits:
        check_close(1000, reason)
    else:
        with pytest.raises(UsageError, match="124 bytes"):
            check_close(1000, reason)


@pytest.mark.parametrize(
    ("code", "words"),
    [(1000, "normal closure"), (1009, "message too big"), (1006, "stands for a connection"), (4001, ""), (None, "no close frame")],
)
def test_words(code: int | None, words: str) -> None:
    assert close_words(code).startswith(words)
    assert bool(close_words(code)) is bool(words)
