"""Expressions of configurations are tried only when they end soon; what is in use is tried."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsbook.parsers.proxies.artifact import try_regex
from wsbook.parsers.proxies.backtracking import LENGTH, WAYS, ways

IN_USE = [
    r"^/(ws|live)/",
    r"\.(?:css|js|png|svg|woff2)$",
    r"^/rooms/\d+/live$",
    r"(/|$)(.*)",
    r"^/([^/]+)/([^/]+)/([^/]+)/(.*)$",
    r"^(?:/.*)?$",
    r"^/(?:api|ws)(?:/[a-z0-9-]+)*$",
    r"^/v[0-9]+(\.[0-9]+)*/ws",
    r"^/(socket\.io|engine\.io)(/.*)?$",
    r"^(www\.)?(?P<name>.+)\.example\.com$",
    r"^/(?!admin).*$",
    r"^/[\w-]+/[\w-]+/ws$",
    r".*(?:ws|wss).*",
    r"(?i)^websocket$",
]
ENDLESS = [
    r"^/(a+)+$",
    r"^/(a|a)*$",
    r"(?i)^/(aa|AA)*$",
    r"^/(a|aa)+$",
    "^/" + "a?" * 30 + "a" * 70 + "$",
    r"^/(.*a){25}$",
    r"^/([a-z]+.?)*$",
    "^/" + ".*" * 12 + "b$",
    r"^/(a*)(a*)*b$",
    r"^/(a*)*\1b$",
    r"(x+x+)+y",
    r"^/(a{1,30}){1,30}$",
    r"((a|b)*c|(a|b)*d)*",
]
PATHS = ["/" + "a" * (LENGTH - 2) + "!", "ab" * (LENGTH // 2), "/a" * (LENGTH // 2 - 1) + "?"]

one = st.sampled_from(["a", "b", ".", "[ab]", "[^/]", r"\w", r"\d", "/", "A"])
repeats = st.sampled_from(["*", "+", "?", "{0,9}", "*?", "{2}", "{3,}"])
expressions = st.recursive(
    one,
    lambda part: st.one_of(
        st.tuples(part, part).map("".join),
        st.tuples(part, part).map("({0[0]}|{0[1]})".format),
        st.tuples(part, repeats).map("({0[0]}){0[1]}".format),
    ),
    max_leaves=12,
)


@pytest.mark.parametrize("pattern", IN_USE)
def test_what_is_in_use_is_tried(pattern: str) -> None:
    assert try_regex(pattern) is not None


@pytest.mark.parametrize("pattern", ENDLESS)
def test_what_would_search_for_ever_is_not_tried(pattern: str) -> None:
    assert ways(pattern) > WAYS
    assert try_regex(pattern) is None


@pytest.mark.parametrize("pattern", ["(", "a{2,1}", "(?P<a>x)(?P<a>y)", "*", "[", "(" * 250, "a" * 301])
def test_what_is_no_expression_is_not_tried(pattern: str) -> None:
    assert try_regex(pattern) is None


@settings(max_examples=300, deadline=None)
@given(expressions, st.booleans())
def test_what_is_tried_ends_soon(expression: str, ignore_case: bool) -> None:
    pattern = try_regex(f"^{expression}b$", ignore_case=ignore_case)
    started = time.process_time()
    if pattern is not None:
        assert all(isinstance(pattern.search(path), re.Match | None) for path in PATHS)
    assert time.process_time() - started < 0.5
