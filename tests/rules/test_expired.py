"""Paths that were accepted before and are refused for want of rights since."""

import pytest
from msgspec.structs import replace
from observations import TARGET, seen

from wsbook.evidence import Evidence
from wsbook.facts import AccessFacts
from wsbook.observation import Observation
from wsbook.rules.expired import judge_expired


def requests(status: int, line: int, count: int = 1, path: str = "/ws") -> Observation:
    facts = AccessFacts(program="nginx", method="GET", path=path, status=status, count=count, text="a line")
    observation = seen(facts, step="1.4", probe="access_log", hop="")
    return replace(observation, source=replace(observation.source, artifact="a.log", line=line, line_end=line + count - 1))


@pytest.mark.parametrize(
    ("rows", "fires"),
    [
        ((requests(101, 1), requests(401, 2, 2)), True),
        ((requests(101, 1, 3), requests(403, 4), requests(401, 5)), True),
        ((requests(401, 1, 2), requests(101, 3)), False),
        ((requests(101, 1), requests(401, 2)), False),
        ((requests(101, 1), requests(401, 2, 2, "/other")), False),
        ((requests(401, 2, 2),), False),
        ((requests(101, 1), requests(502, 2, 2)), False),
    ],
    ids=["401", "401 and 403", "accepted since", "boundary: one", "another path", "never accepted", "another refusal"],
)
def test_a_credential_that_ran_out(rows: tuple[Observation, ...], fires: bool) -> None:
    assert bool(list(judge_expired(Evidence(TARGET, list(rows))))) is fires
