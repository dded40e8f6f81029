"""Every parser at the one door: text of its own words in any order, any text, any bytes end in observations or one sentence, bounded."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wsbook.errors import UnreadableInputError
from wsbook.parsers.detect import KINDS, detect_kind
from wsbook.parsers.read import read_artifact, read_text

SAMPLES = Path(__file__).parents[2] / "data" / "samples"
FOLDERS = {
    "nginx_conf": "configs/*/*nginx*",
    "haproxy_cfg": "configs/*/*haproxy*",
    "apache_conf": "configs/*/*apache*",
    "caddyfile": "configs/*/*[Cc]addy*",
    "traefik": "configs/*/*traefik*",
    "envoy": "configs/*/*envoy*",
    "k8s_ingress": "configs/*/*ingress*",
    "alb_attributes": "configs/*/*alb*",
    "backend_log": "logs/*.log",
    "access_log": "logs/*access*.log",
    "browser_console": "console/*.txt",
    "frontend_source": "sources/healthy/frontend/*",
    "backend_source": "sources/healthy/backend/*",
    "har": "har/*.har",
    "http_dump": "dumps/*.txt",
}
"""Kind → samples whose lines its texts are made of."""
OUTPUT_BYTES = 2_000_000
BOUNDED = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def lines_of(kind: str) -> Iterator[str]:
    for path in sorted(SAMPLES.glob(FOLDERS[kind])):
        yield from path.read_text(encoding="utf-8", errors="replace").splitlines()[:120]


def texts_of(kind: str) -> st.SearchStrategy[str]:
    """Return texts of lines, halves of lines and noise, in any order."""
    lines = st.sampled_from(list(dict.fromkeys(lines_of(kind))) or ["x"])
    halves = st.tuples(lines, st.integers(0, 80), lines).map(lambda parts: parts[0][: parts[1]] + parts[2][parts[1] :])
    noise = st.text(alphabet="{}[]()<>'\"`\\;:,$%\x00\t é→0a", max_size=12)
    return st.lists(st.one_of(lines, lines, halves, noise), max_size=40).map("\n".join)


def check(text: str, kind: str) -> None:
    try:
        seen = read_text(text, kind)
    except UnreadableInputError as error:
        assert 0 < len(str(error)) <= 500
        assert "\n" not in str(error)
    else:
        assert len(msgspec.json.encode(seen)) <= OUTPUT_BYTES


@pytest.mark.parametrize("kind", KINDS)
def test_text_of_its_own_words_is_read_or_refused(kind: str) -> None:
    BOUNDED(given(texts_of(kind))(lambda text: check(text, kind)))()


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_cut_anywhere_is_read_or_refused(kind: str) -> None:
    whole = [path.read_text(encoding="utf-8", errors="replace") for path in sorted(SAMPLES.glob(FOLDERS[kind]))] or ["x"]
    cuts = st.tuples(st.sampled_from(whole), st.floats(0, 1), st.floats(0, 1))
    BOUNDED(given(cuts)(lambda cut: check(cut[0][int(cut[1] * len(cut[0])) :][: int(cut[2] * len(cut[0]))], kind)))()


@BOUNDED
@given(st.text(max_size=300), st.sampled_from(["", *KINDS]))
def test_any_text_is_read_or_refused(text: str, kind: str) -> None:
    kind = kind or detect_kind("", text.encode("utf-8", "replace"))
    if kind:
        check(text, kind)


@settings(max_examples=100, deadline=None)
@given(
    data=st.binary(max_size=400), kind=st.sampled_from(["", *KINDS]), name=st.sampled_from(["a", "a.har", "a.log.gz", "nginx.conf", "a.py"])
)
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes, kind: str, name: str) -> None:
    path = tmp_path_factory.mktemp("bytes") / name
    path.write_bytes(data)
    try:
        assert isinstance(read_artifact(str(path), kind=kind), list)
    except UnreadableInputError as error:
        assert "\n" not in str(error)
