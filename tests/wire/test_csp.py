"""Which directive forbids a socket: rows as Chromium 156 answered them, and texts of any shape."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsbook.wire.csp import forbidding, upgrades_insecure

HTTP, HTTPS, PORT = "http://app.test/", "https://app.test/", "http://app.test:8765/"


@pytest.mark.parametrize(
    ("policy", "url", "page", "allowed"),
    [
        ("script-src 'self'", "ws://ws.test/x", HTTP, True),
        ("connect-src", "ws://app.test/x", HTTP, False),
        ("connect-src 'none'", "ws://app.test/x", HTTP, False),
        ("connect-src *", "ws://ws.test:8766/x", HTTP, True),
        ("connect-src 'self'", "ws://app.test/x", HTTP, True),
        ("connect-src 'self'", "wss://app.test/x", HTTP, True),
        ("connect-src 'self'", "ws://app.test:8765/x", HTTP, False),
        ("connect-src 'self'", "ws://app.test:8765/x", PORT, True),
        ("connect-src 'self'", "wss://app.test/x", HTTPS, True),
        ("connect-src 'self'", "wss://ws.test/x", HTTPS, False),
        ("default-src 'self'", "ws://ws.test/x", HTTP, False),
        ("default-src 'self'; connect-src ws:", "ws://ws.test/x", HTTP, True),
        ("connect-src ws:; connect-src 'none'", "ws://ws.test/x", HTTP, True),
        ("connect-src ws:", "wss://ws.test/x", HTTP, True),
        ("connect-src wss:", "ws://ws.test/x", HTTP, False),
        ("connect-src https:", "wss://ws.test/x", HTTPS, False),
        ("connect-src ws.test", "wss://ws.test/x", HTTPS, False),
        ("connect-src https://ws.test", "wss://ws.test/x", HTTPS, False),
        ("connect-src wss://ws.test", "wss://ws.test/x", HTTPS, True),
        ("connect-src wss://WS.test", "wss://ws.test/x", HTTPS, True),
        ("connect-src ws://ws.test", "wss://ws.test/x", HTTP, True),
        ("connect-src ws://ws.test", "ws://ws.test:8766/x", HTTP, False),
        ("connect-src ws://ws.test:8766", "ws://ws.test:8766/x", HTTP, True),
        ("connect-src ws://ws.test:8766", "wss://ws.test:8766/x", HTTP, False),
        ("connect-src ws://*:8766", "ws://ws.test:8766/x", HTTP, True),
        ("connect-src ws://*.test:*", "ws://sub.ws.test:1/x", HTTP, True),
        ("connect-src ws://*.ws.test", "ws://ws.test/x", HTTP, False),
        ("connect-src ws://ws.test/a/", "ws://ws.test/a/b", HTTP, True),
        ("connect-src ws://ws.test/a", "ws://ws.test/a/b", HTTP, False),
        ("connect-src ws://ws.test/a/b", "ws://ws.test/a/b?c=1", HTTP, True),
        ("connect-src *, connect-src 'none'", "ws://ws.test/x", HTTP, False),
        ("connect-src 'self' , connect-src ws:", "ws://app.test/x", HTTP, True),
    ],
)
def test_what_a_policy_allows(policy: str, url: str, page: str, allowed: bool) -> None:
    assert (forbidding(policy, url, page) is None) is allowed


def test_the_directive_is_named_as_written() -> None:
    found = forbidding("default-src https: 'self'; img-src *", "wss://ws.test/x", HTTPS)
    assert found is not None and (found.name, str(found)) == ("default-src", "default-src https: 'self'")
    assert upgrades_insecure("default-src *; Upgrade-Insecure-Requests") and not upgrades_insecure("default-src *")


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60), st.text(max_size=20))
def test_policies_of_any_shape_are_survived(policy: str, url: str) -> None:
    assert forbidding(policy, url, HTTP) is None or "://" in url
    assert forbidding(f"connect-src {policy}", "ws://ws.test/x", HTTP) is None or policy is not None
