"""A CSV file of targets: every mistake is one sentence with its line, before anything is dialled."""

import os
from pathlib import Path

import pytest

from wsbook.errors import UnreadableInputError, UsageError
from wsbook.runner import fleet_targets
from wsbook.runner.fleet_targets import Entry, read_targets


def read(tmp_path: Path, text: str | bytes, **options: bool) -> tuple[Entry, ...]:
    path = tmp_path / "targets.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_targets(path, **options)


def test_rows_are_targets(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "a-secret-value")
    text = (
        "\ufeffURL, Page-URL,headers,symptom,owned\r\n\r\n"
        'wss://shop.example/ws,https://shop.example/,"Authorization: Bearer ${env:SHOP_TOKEN}\nX-Shop: 7","1006, after 60 s",yes\r\n'
        "ws://10.0.0.7:8000/live\r\n"
    )
    first, second = read(tmp_path, text)
    assert (first.line, first.host, first.url, first.same_as) == (3, "shop.example", "wss://shop.example/ws", 0)
    assert first.parameters == {
        "url": "wss://shop.example/ws",
        "page_url": "https://shop.example/",
        "headers": "Authorization: Bearer ${env:SHOP_TOKEN}\nX-Shop: 7",
        "symptom": "1006, after 60 s",
        "owned": True,
    }
    assert (second.line, second.host, second.parameters) == (5, "10.0.0.7", {"url": "ws://10.0.0.7:8000/live"})
    assert first.key.startswith("shop.example-")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_separator_is_found(separator: str, tmp_path: Path) -> None:
    (entry,) = read(tmp_path, separator.join(["url", "origin"]) + "\n" + separator.join(["ws://a.example/", "https://b.example"]) + "\n")
    assert entry.parameters == {"url": "ws://a.example/", "origin": "https://b.example"}


def test_a_target_that_is_named_again_is_known(tmp_path: Path) -> None:
    entries = read(tmp_path, "url,origin\nws://a.example/,\nws://b.example/,\nws://a.example/,\nws://a.example/,https://a.example\n")
    assert [entry.same_as for entry in entries] == [0, 0, 2, 0]
    assert len({entry.key for entry in entries}) == 3


def test_a_key_depends_on_the_target_alone(tmp_path: Path) -> None:
    (before,) = read(tmp_path, "url\nws://a.example/\n")
    after = read(tmp_path, "origin,url\n,ws://b.example/\n,ws://a.example/\n")[1]
    assert before.key == after.key


def test_secrets_in_clear_stay_neither_in_what_is_shown_nor_in_the_environment(tmp_path: Path) -> None:
    before = dict(os.environ)
    (entry,) = read(tmp_path, "url,headers\nwss://shop.example/ws?token=s3cr3tvalue,Cookie: sid=verysecret\n")
    assert "s3cr3t" not in entry.url + entry.key
    assert dict(os.environ) == before


POISONED = [
    ("", "names no target"),
    ("url\n", "names no target"),
    ("url,pagurl\nws://a.example/,x\n", "column 'pagurl' that is no parameter; did you mean 'page_url'?"),
    ("url,nonsense\nws://a.example/,x\n", "column 'nonsense' that is no parameter; the columns are url, page_url"),
    ("url,url\nws://a.example/,x\n", "the column 'url' twice"),
    ("url\nws://a.example/\nhttp://b.example/\n", "line 3: URL 'http://b.example/' has the scheme 'http'"),
    ("url\nws://a.example/ws bad\n", "line 2: URL 'ws://a.example/ws bad' is empty or holds a space"),
    ("url\nws://a.example/,b\n", "line 2 has 2 cells and the file 1 columns"),
    ("url,origin\n,https://a.example\n", "line 2: nothing to investigate; give one of url"),
    ("url,owned\nws://a.example/,perhaps\n", "line 2: owned is 'perhaps'; write yes or no"),
    ("url,headers\nws://a.example/,X: ${env:WSBOOK_NOT_SET}\n", "line 2: the variable WSBOOK_NOT_SET is not set"),
    ("url,har\nws://a.example/,missing.har\n", "line 2: missing.har does not exist"),
    ("url\nws://user:pa55word@/\n", "has no host"),
    ("url,trigger\nws://a.example/,RUN touch /tmp/x {marker}\n", "line 2: a command that a file of targets holds is not started"),
    ("url,symptom\nws://a.example/,a\0b\n", "line 2: symptom is longer than 65,536 characters or holds a NUL"),
    ("url,symptom\nws://a.example/," + "x" * 70_000 + "\n", "line 2: symptom is longer"),
]


@pytest.mark.parametrize(("text", "said"), POISONED, ids=[row[1][:50] for row in POISONED])
def test_a_mistake_is_one_sentence_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, text)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 600
    assert "\n" not in str(caught.value)
    assert "pa55word" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('url\n"ws://a.example/\nws://b.example/\n', "line 2 is no CSV"),
        ('url,origin\nws://a.example/,"a" b\n', "line 2 is no CSV"),
        (b"url\nws://a.example/\xff\n", "not text in UTF-8"),
        ("url,symptom\nws://a.example/," + "x" * 200_000 + "\n", "no CSV"),
    ],
)
def test_a_file_that_is_no_csv_is_said_to_be_none(text: str | bytes, said: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableInputError, match=said):
        read(tmp_path, text)


def test_what_is_too_large_is_refused(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(fleet_targets, "MOST_ROWS", 3)
    with pytest.raises(UsageError, match="more than 3 targets"):
        read(tmp_path, "url\n" + "".join(f"ws://a{number}.example/\n" for number in range(4)))
    monkeypatch.setattr(fleet_targets, "_MOST_BYTES", 10)
    with pytest.raises(UnreadableInputError, match="is larger than"):
        read(tmp_path, "url\nws://a.example/\n")
    with pytest.raises(UsageError, match="No such file"):
        read_targets(tmp_path / "missing.csv")


def test_files_and_secrets_of_workers_elsewhere_are_not_asked_for_here(tmp_path: Path) -> None:
    text = "url,har,headers\nws://a.example/,/on/the/worker.har,X: ${env:WSBOOK_NOT_SET}\n"
    (entry,) = read(tmp_path, text, elsewhere=True, owned=True)
    assert entry.parameters["owned"] is True
    with pytest.raises(UsageError, match=r"line 2: a secret that is typed in clear would travel.*write \$\{env:NAME\}"):
        read(tmp_path, "url\nwss://a.example/?token=s3cr3tvalue\n", elsewhere=True)
