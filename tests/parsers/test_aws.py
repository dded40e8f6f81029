"""AWS: attributes in the forms in which people have them, defaults by kind, hops that cannot tunnel."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsbook.errors import UnreadableInputError
from wsbook.facts import PatternFacts, RouteFacts, TextFacts
from wsbook.parsers.proxies import parse_config


def read(text: str) -> tuple[RouteFacts, list[PatternFacts]]:
    facts = [o.facts for o in parse_config(text, kind="alb_attributes", artifact="alb.json")]
    (route,) = [f for f in facts if isinstance(f, RouteFacts)]
    return route, [f for f in facts if isinstance(f, PatternFacts)]


@pytest.mark.parametrize(
    ("text", "product", "idle", "line"),
    [
        ("idle_timeout.timeout_seconds = 60", "aws-alb", "60", 1),
        ('{"Attributes": [\n{"Key": "idle_timeout.timeout_seconds", "Value": "4000"}]}', "aws-alb", "4000", 2),
        ('{"Attributes": [{"Value": "90", "Key": "idle_timeout.timeout_seconds"}]}', "aws-alb", "90", 1),
        ('{"Attributes": [{"Key": "deletion_protection.enabled", "Value": "false"}]}', "aws-alb", "60", 0),
        ('{"LoadBalancers": [{"Type": "network", "Scheme": "internal"}]}', "aws-nlb", "350", 0),
        ("tcp.idle_timeout.seconds = 350", "aws-nlb", "350", 1),
        ('resource "aws_lb" "a" {\n  load_balancer_type = "application"\n  idle_timeout = 120\n}', "aws-alb", "120", 3),
        ('{"LoadBalancerAttributes": {"ConnectionSettings": {"IdleTimeout": 60}}}', "aws-elb", "60", 1),
        ('{"ProtocolType": "WEBSOCKET"}', "aws-api-gateway", "600", 0),
    ],
)
def test_tells_how_long_silence_may_last(text: str, product: str, idle: str, line: int) -> None:
    route, _ = read(text)
    assert (route.product, route.idle_s.value, route.idle_s.line) == (product, idle, line)
    assert route.idle_s.default is (line == 0)


@pytest.mark.parametrize(
    ("text", "patterns"),
    [
        ("idle_timeout.timeout_seconds = 3600", []),
        ('{"InstanceProtocol": "HTTP", "Protocol": "HTTP", "IdleTimeout": 60}', ["aws.classic-http-listener"]),
        ('{"InstanceProtocol": "TCP", "Protocol": "TCP", "IdleTimeout": 60}', []),
        ('{"ProtocolType": "HTTP"}', ["aws.gateway-without-websocket"]),
        ('{"Protocol": "HTTP", "ProtocolVersion": "HTTP2"}', ["aws.h2-to-upstream"]),
        ('{"Protocol": "HTTP", "ProtocolVersion": "HTTP1"}', []),
    ],
)
def test_names_hops_that_cannot_tunnel(text: str, patterns: list[str]) -> None:
    assert [p.pattern for p in read(text)[1]] == patterns


def test_lifetime_and_stickiness() -> None:
    assert read('{"ProtocolType": "WEBSOCKET"}')[0].lifetime_s.value == "7200"
    assert read('{"Attributes": [{"Key": "stickiness.enabled", "Value": "true"}]}')[0].balance == "cookie"


def test_refuses_what_has_no_attribute() -> None:
    for text in ("", "hello", "{broken"):
        with pytest.raises(UnreadableInputError):
            read(text)


@settings(deadline=2000, max_examples=150)
@given(st.one_of(st.text(max_size=200), st.text(alphabet='{}[]":,\n KeyValue=idle_timeout.0123', max_size=300)))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        observations = parse_config(text, kind="alb_attributes", artifact="a")
    except UnreadableInputError:
        return
    assert isinstance(observations[0].facts, TextFacts)
