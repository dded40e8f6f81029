"""The causes of what lies between page and application and of the code on both ends: each is known, tested, has a sample, and is shown in
the lab or cannot be for a reason."""

from pathlib import Path

import pytest

from wsbook.causes import causes
from wsbook.lab.faults import FAULTS
from wsbook.parsers.pattern_table import config_patterns

ROOT = Path(__file__).parent.parent
AREAS = (
    "net.",
    "tls.",
    "proxy.",
    "cluster.",
    "handshake.",
    "auth.",
    "origin.",
    "subprotocol.",
    "backend.",
    "client.",
    "heartbeat.",
    "frame.",
    "message.",
)
HERE = sorted(slug for slug in causes() if slug.startswith(AREAS) or slug == "lifecycle.restart-drops")
NOT_IN_THE_LAB = {
    "proxy.idle-timeout-envoy": "Envoy is no program of the lab",
    "proxy.idle-timeout-cloud": "a cloud's load balancer",
    "proxy.version-regression": "two releases of one program",
    "proxy.k8s-annotation-ignored": "a controller in a cluster",
    "proxy.buffering": "an upgraded socket is not buffered; the lab's page has no other stream",
    "backend.concurrent-send": "the lab's library sends one message at a time; it takes threads of Java or goroutines",
    "client.insecure-url": "a name that is not this machine's, which a deployment on loopback does not have",
    "frame.protocol-violation": "the lab's library sends what RFC 6455 allows; tests/misbehaving.py has servers that do not",
    "message.published-before-commit": "the lab's application keeps nothing in a database",
    "message.snapshot-subscribe-race": "the lab's page fetches what it missed only after an interruption",
    "proxy.websocket-support-disabled": "a switch of IIS, Azure, Envoy and Cloudflare, which are no programs of the lab",
}


def _read(*patterns: str) -> str:
    files = sorted(file for pattern in patterns for file in ROOT.glob(pattern) if file.is_file())
    return "\n".join(file.read_text(encoding="utf-8", errors="replace") for file in files)


KNOWLEDGE = _read(
    "wsbook/rules/*.py",
    "wsbook/rules/*.toml",
    "wsbook/patterns/*.toml",
    "wsbook/parsers/proxies/defects/*.toml",
    "wsbook/signatures.toml",
)
SAMPLES = _read("data/samples/**/*.jsonl")
TESTS = _read("tests/rules/*.py", "tests/parsers/*.py", "tests/probes/*.py")


@pytest.mark.parametrize("slug", HERE)
def test_a_cause_is_known_tested_and_shown(slug: str) -> None:
    assert f'"{slug}"' in KNOWLEDGE
    names = [slug, *(pattern.id for pattern in config_patterns().values() if pattern.cause == slug)]
    assert any(f'"{name}"' in TESTS for name in names)
    assert f'"{slug}"' in SAMPLES
    assert (slug in FAULTS) != (slug in NOT_IN_THE_LAB)


def test_the_areas_are_whole() -> None:
    assert len(HERE) >= 80
    assert set(NOT_IN_THE_LAB) <= set(HERE)
