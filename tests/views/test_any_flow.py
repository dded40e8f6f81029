"""Whatever a record holds of messages, load and pages, each table and picture of phase 4 is made or left out, and stays harmless."""

from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from views.samples import HOSTILE, seen
from wsbook.facts import BurstFacts, ClockFacts, LoadFacts, PageLoadFacts, TraceFacts
from wsbook.observation import Observation
from wsbook.views.step_offers import PLOTS, TABLES

KINDS = ("", "trigger", "answer", "broker", "log", "hop", "endpoint", "frame", "handler", "mark", "document", "screen", HOSTILE)
NAMED = {"kind": st.sampled_from(KINDS), "void": st.sampled_from(["", "", "", HOSTILE])}
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: st.sampled_from(["", "a", "b", "app", "page document", HOSTILE]),
    int: st.one_of(st.integers(0, 30), st.integers(-1, 10**9)),
    float: st.one_of(st.floats(0, 20), st.sampled_from([0.0, -1.0, 1e-9, 1e9])),
    bool: st.booleans(),
    NoneType: st.none(),
}


def of(hint: Any, name: str = "") -> st.SearchStrategy[Any]:
    """Return values of a type as the facts use them: plain ones, unions, tuples, and values of these."""
    if name in NAMED:
        return NAMED[name]
    if hint in PLAIN:
        return PLAIN[hint]
    parts = get_args(hint)
    if isinstance(hint, UnionType):
        return st.one_of(*(of(part) for part in parts))
    if get_origin(hint) is tuple:
        return st.lists(of(parts[0]), max_size=4).map(tuple) if parts[-1] is ... else st.tuples(*(of(part) for part in parts))
    assert issubclass(hint, Struct), hint
    return st.builds(hint, **{field: of(kind, field) for field, kind in get_type_hints(hint).items() if field in hint.__struct_fields__})


traces = st.lists(st.one_of(of(TraceFacts), of(BurstFacts), of(ClockFacts)), max_size=4)
loads = st.lists(st.one_of(of(LoadFacts), of(PageLoadFacts)), max_size=3)


def shown(step: str, observations: list[Observation]) -> None:
    for table in TABLES[step].values():
        assert len(table(observations).columns) > 2
    for plot in PLOTS[step]:
        picture = plot(observations)
        if picture is not None:
            assert picture.text and picture.json["layout"]["title"]["text"]
            assert len([one for one in picture.json["data"] if one.get("name")]) <= 5
            assert "<img" not in str(picture.json)


UNHURRIED = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]


@settings(max_examples=40, deadline=None, phases=(Phase.explicit, Phase.generate), suppress_health_check=UNHURRIED)
@given(traces)
def test_any_trace_is_shown(facts: list[Any]) -> None:
    shown("4.1", [seen("4.1", one) for one in facts])


@settings(max_examples=40, deadline=None, phases=(Phase.explicit, Phase.generate), suppress_health_check=UNHURRIED)
@given(loads)
def test_any_load_is_shown(facts: list[Any]) -> None:
    shown("4.2", [seen("4.2", one) for one in facts])
