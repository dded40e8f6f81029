"""How an endpoint answers is found out, with real servers."""

from collections.abc import Iterator
from typing import Any

import pytest
from load_servers import loaded_server

from wsbook.attempt import Attempt
from wsbook.load_plan import LoadPlan
from wsbook.observation import Reason
from wsbook.probes import load_answer
from wsbook.probes.load_answer import NOTHING_CAME, PLAIN_TEXT, find_answer


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with loaded_server() as url:
        yield url


@pytest.mark.parametrize(
    ("path", "options", "answered_by", "template"),
    [
        ("echo", {}, "echo", ""),
        ("echo", {"size_bytes": 200_000}, "echo", ""),
        ("echo?most=1", {}, "echo", ""),
        ("text", {}, "echo", PLAIN_TEXT),
        ("everybody", {}, "broadcast", ""),
        ("others", {}, "broadcast", ""),
        ("asks", {"template": '{"id": "{marker}", "fill": "{padding}"}'}, "echo", '{"id": "{marker}", "fill": "{padding}"}'),
        ("asks", {}, "", ""),
        ("mute", {}, "", ""),
        ("numbers", {"sequence": "$.data[0].seq"}, "sequence", ""),
        ("mute", {"sequence": "$.seq", "template": "{marker}"}, "sequence", "{marker}"),
    ],
)
async def test_who_gets_a_message(
    server: str, path: str, options: dict[str, Any], answered_by: str, template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_answer, "_WAIT_S", 0.5)
    found = await find_answer(LoadPlan(attempt=Attempt(url=f"{server}/{path}"), **options), step="4.2")
    assert (found.answered_by, found.template, found.failure) == (answered_by, template, None)
    assert bool(found.why) is not bool(answered_by) and found.why in ("", NOTHING_CAME)


async def test_what_is_not_there_is_a_failure() -> None:
    for options in ({}, {"sequence": "$.seq"}):
        found = await find_answer(LoadPlan(attempt=Attempt(url="ws://127.0.0.1:9/"), **options), step="4.2")
        assert found.failure is not None and found.failure.reason is Reason.REFUSED
