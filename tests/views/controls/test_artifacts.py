"""Files that are handed over: kept, told to the field that takes them, and no content left in a control."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from wsbook.views.controls.artifacts import Artifacts
from wsbook.views.controls.fields import make_fields

NGINX = "server {\n  location /ws {\n    proxy_pass http://app;\n  }\n}\n"


@pytest.fixture
def handed(tmp_path: Path) -> Artifacts:
    names = ("configs", "logs", "har", "console", "frontend", "backend")
    fields = make_fields(names, dict.fromkeys(names, ""))
    return Artifacts(fields, lambda: tmp_path / "artifacts")


def said(handed: Artifacts) -> list[str]:
    return [line.value for line in handed._said.children]


def upload(handed: Artifacts, *files: tuple[str, bytes]) -> None:
    about = {"type": "", "last_modified": datetime.now(UTC)}
    handed._files.value = tuple({"name": name, "size": len(data), "content": memoryview(data), **about} for name, data in files)


def test_a_pasted_configuration_reaches_its_field(handed: Artifacts, tmp_path: Path) -> None:
    handed._text.value = NGINX
    handed._keep.click()
    assert handed._fields["configs"].value == str(tmp_path / "artifacts" / "nginx.conf")
    assert said(handed) == ["✓ nginx.conf: nginx configuration, 5 lines → configurations"]
    assert handed._text.value == ""


def test_files_are_added_to_what_is_there_and_their_content_is_dropped(handed: Artifacts, tmp_path: Path) -> None:
    handed._fields["configs"].value = "/etc/nginx/nginx.conf"
    upload(handed, ("../../x/nginx.conf", NGINX.encode()), ("a.har", b'{"log": {"entries": []}}'), ("b.bin", b"\x00\x01"))
    assert handed._fields["configs"].value == f"/etc/nginx/nginx.conf; {tmp_path}/artifacts/nginx.conf"
    assert handed._fields["har"].value.endswith("artifacts/a.har")
    assert [line[:1] for line in said(handed)] == ["✓", "✓", "✗"]
    assert handed._files.value == ()


def test_what_nobody_can_tell_is_kept_where_it_is_said_what_it_is(handed: Artifacts) -> None:
    handed._text.value = "nothing of a known form"
    handed._keep.click()
    assert "nobody can tell" in said(handed)[0] and handed._text.value
    handed._kind.value = "logs"
    handed._keep.click()
    assert handed._fields["logs"].value.endswith("pasted.txt")
