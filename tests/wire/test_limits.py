"""The known limits of message size, and which of them lie between two measured sizes."""

import pytest

from wsbook.wire.limits import limits_between, message_limits


def test_every_limit_has_its_source_and_a_setting() -> None:
    assert len(message_limits()) >= 12
    for limit in message_limits():
        assert limit.source.startswith("https://"), limit
        assert limit.counts in ("message", "frame", "buffer"), limit
        assert limit.setting
        assert limit.bytes > 1_000


@pytest.mark.parametrize(
    ("accepted", "refused", "products"),
    [
        (8_192, 8_193, {"Tomcat, Spring Boot"}),
        (8_191, 8_192, {"Tomcat, Spring Boot"}),
        (8_193, 9_000, set()),
        (131_072, 131_500, {"Amazon API Gateway"}),
        (0, 1, set()),
    ],
)
def test_between(accepted: int, refused: int, products: set[str]) -> None:
    assert {limit.product for limit in limits_between(accepted, refused)} == products
