"""What a step opens: the endpoint, or for questions to the application a hop that accepts."""

import pytest
from observations import answer

from wsbook.case import Case
from wsbook.observation import Outcome
from wsbook.steps.looking import open_attempt
from wsbook.target import Budget, parse_target

HOPS = ["app=ws://10.0.0.5:8000/ws", "inner=ws://10.0.0.6/ws"]


@pytest.mark.parametrize(
    ("endpoint", "app", "inner", "inside", "place"),
    [
        (101, 101, 101, True, "endpoint"),
        (426, 101, 426, True, "app"),
        (426, 404, 101, True, "inner"),
        (426, 426, 426, True, None),
        (426, 101, 101, False, None),
    ],
)
async def test_where_a_question_is_asked(endpoint: int, app: int, inner: int, inside: bool, place: str | None) -> None:
    case = Case(parse_target("ws://shop.test/ws", hops=HOPS), Budget.named("quick"))
    case.add(answer(endpoint), answer(app, hop="app"), answer(inner, hop="inner"))
    attempt = await open_attempt(case, "3.2", inside=inside)
    assert (attempt.hop if attempt else None) == place
    said = [seen for seen in case.evidence.observations if seen.outcome is Outcome.NOT_RUN]
    assert bool(said) is (place is None)
