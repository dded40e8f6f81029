"""What a configuration is tried with: sample paths, hosts, stubs, shortened limits."""

import pytest

from wsbook.parsers.proxies.rehearsing.stage import Stage, Stubs, host_of, sample_path, scaled


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("/ws", "/ws"),
        ("/socket.io/", "/socket.io/"),
        ("^/ws$", "/ws"),
        ("^/ws/(.*)$", "/ws/"),
        (r"^/rooms/\d+/live$", "/rooms/1/live"),
        (r"^/(?:ws|live)/[^/]+$", "/ws/x"),
        (r"^/(?<app>\w+)/ws$", "/x/ws"),
        (r"\.php$", ""),
        ("^/ws{", ""),
        ("@app", ""),
        ("", ""),
    ],
)
def test_a_sample_is_what_the_pattern_matches(pattern: str, path: str) -> None:
    assert sample_path(pattern) == path


@pytest.mark.parametrize(
    ("names", "host"),
    [(["_", "shop.example"], "shop.example"), (["*.shop.example", "~^a"], "localhost"), ([], "localhost"), (["a b"], "localhost")],
)
def test_a_host_is_a_plain_name(names: list[str], host: str) -> None:
    assert host_of(names) == host


@pytest.mark.parametrize(
    ("text", "scale", "unit", "shortened"),
    [
        ("60s", 1 / 60, "s", "1000ms"),
        ("50000", 0.02, "ms", "1000ms"),
        ("1h", 1.0, "s", "1h"),
        ("0", 0.5, "s", "0"),
        ("off", 0.5, "s", "off"),
        ("1ms", 0.01, "s", "1ms"),
    ],
)
def test_limits_are_shortened(text: str, scale: float, unit: str, shortened: str) -> None:
    assert scaled(text, scale, unit) == shortened


def test_an_address_has_one_stub_that_speaks_what_is_known_of_it() -> None:
    stage = Stage(listen=(1,), plain=(11, 12), secure=(21, 22))
    stubs = Stubs(stage)
    assert [stubs.port("a", tls=False), stubs.port("b", tls=True), stubs.port("a", tls=False)] == [11, 22, 11]
    assert stubs.secure == {"b"}
    told = Stubs(stage, frozenset({"a"}))
    assert [told.port("a", tls=False), told.port("b", tls=True)] == [21, 12]
