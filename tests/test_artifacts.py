"""Files that were handed over: what they are, where they are kept, and what is refused."""

import gzip
from pathlib import Path

import pytest

from wsbook.artifacts import LIMIT_BYTES, keep_artifact
from wsbook.errors import UsageError

CONFIG = b"server {\n  location /ws { proxy_pass http://app; }\n}\n"
LOG = b'1.2.3.4 - - [22/Nov/2026:21:40:00 +0000] "GET /ws HTTP/1.1" 400 0 "-" "-"\n'
SAMPLES = Path(__file__).parents[1] / "data" / "samples"


@pytest.mark.parametrize(
    ("name", "data", "kept", "words"),
    [
        ("nginx.conf", CONFIG, "nginx.conf", "nginx configuration, 3 lines → configurations"),
        ("", CONFIG, "nginx.conf", "nginx configuration, 3 lines → configurations"),
        ("access.log", LOG, "access.log", "access log, 1 line → logs"),
        ("access.log.gz", gzip.compress(LOG), "access.log.gz", "access log, "),
        ("x.har", b'{"log": {"entries": []}}', "x.har", "HAR recording, 1 line → recording"),
        ("", b"WebSocket connection to 'ws://a/' failed:", "console.txt", "console of a browser, 1 line → console"),
        ("app.vue", b"<script>\nnew WebSocket('/ws')\n</script>\n", "app.vue", "frontend's source, 3 lines → frontend"),
        ("../../etc/nginx.conf", CONFIG, "nginx.conf", "nginx configuration"),
        ("C:\\x\\nginx.conf", CONFIG, "nginx.conf", "nginx configuration"),
        ("..", CONFIG, "artifact", "nginx configuration"),
        (".nginx\x00\x1b[31m\u202ename.conf", CONFIG, "nginx-31m-name.conf", "nginx configuration"),
        ("n" * 300 + ".conf", CONFIG, "n" * 75 + ".conf", "nginx configuration"),
        ("a; b.conf", CONFIG, "a-b.conf", "nginx configuration"),
    ],
)
def test_a_file_is_kept_under_a_safe_name_and_told(tmp_path: Path, name: str, data: bytes, kept: str, words: str) -> None:
    one = keep_artifact(tmp_path / "artifacts", name, data)
    assert one.path == tmp_path / "artifacts" / kept
    assert one.path.read_bytes() == data and one.path.stat().st_mode & 0o777 == 0o600
    assert one.words.startswith(words)


def test_another_content_does_not_replace_what_is_there(tmp_path: Path) -> None:
    first = keep_artifact(tmp_path, "nginx.conf", CONFIG)
    again = keep_artifact(tmp_path, "nginx.conf", CONFIG)
    other = keep_artifact(tmp_path, "nginx.conf", CONFIG + b"\n")
    assert first.path == again.path != other.path
    assert first.path.read_bytes() == CONFIG and other.path.suffix == ".conf"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b" \n", "is empty"),
        (b"x" * (LIMIT_BYTES + 1), "has 7 MiB; more than 7 MiB is given as a path"),
        (b"\x00\x01\x02", "nobody can tell what"),
        (b"\x1f\x8bbroken", "nobody can tell what"),
    ],
)
def test_what_cannot_be_used_is_refused_and_not_kept(tmp_path: Path, data: bytes, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        keep_artifact(tmp_path, "x", data)
    assert list(tmp_path.iterdir()) == []


def test_what_nobody_can_tell_is_kept_as_what_it_is_said_to_be(tmp_path: Path) -> None:
    kept = keep_artifact(tmp_path, "x", b"nothing known\n", parameter="logs")
    assert (kept.kind, kept.words) == ("", "a file of no kind that is known, 1 line → logs")


@pytest.mark.parametrize("path", sorted((SAMPLES / "configs" / "healthy").glob("*")), ids=lambda path: path.name)
def test_every_sample_of_a_configuration_is_told_to_be_one(tmp_path: Path, path: Path) -> None:
    assert keep_artifact(tmp_path, path.name, path.read_bytes()).parameter == "configs"
