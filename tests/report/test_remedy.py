"""Remedies taken apart: what is pasted, what is run, which lines a diff changes."""

import pytest

from wsbook.report.remedy import Edit, check_parts, edits_of, new_lines

HEAD = "--- a.conf\n+++ b.conf\n"


@pytest.mark.parametrize(
    ("snippet", "edits"),
    [
        ("+ proxy_http_version 1.1;", []),
        (f"{HEAD}@@ -1,2 +1,2 @@\n-a\n+b\n c", [(1, 1, ("b",))]),
        (f"{HEAD}@@ -4,3 +4,1 @@\n a\n-b\n-c", [(5, 2, ())]),
        (f"{HEAD}@@ -4,2 +4,4 @@\n a\n+b\n+c\n d", [(5, 0, ("b", "c"))]),
        (f"{HEAD}@@ -4,3 +4,3 @@\n-a\n+b\n c\n-d\n+e", [(4, 1, ("b",)), (6, 1, ("e",))]),
        (f"{HEAD}@@ -1 +1 @@\n-a\n+b\n@@ -9 +9 @@\n-c\n+d", [(1, 1, ("b",)), (9, 1, ("d",))]),
        (f"{HEAD}@@ -0,0 +1,1 @@\n+a", [(1, 0, ("a",))]),
        (f"{HEAD}@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b", [(1, 1, ("b",))]),
    ],
)
def test_a_diff_says_which_lines_give_way(snippet: str, edits: list[tuple[int, int, tuple[str, ...]]]) -> None:
    assert edits_of(snippet) == [Edit(path="b.conf", line=line, removed=removed, inserted=new) for line, removed, new in edits]


def test_a_diff_of_two_files_names_both() -> None:
    two = f"{HEAD}@@ -1 +1 @@\n-a\n+b\n--- c\n+++ d\n@@ -2 +2 @@\n-x\n+y"
    assert [(edit.path, edit.line) for edit in edits_of(two)] == [("b.conf", 1), ("d", 2)]


@pytest.mark.parametrize(
    ("snippet", "pasted"),
    [
        ("+ a;\n- b;\n+ c;", "a;\nc;"),
        ("location / {\n  a;\n}", "location / {\n  a;\n}"),
        (f"{HEAD}@@ -1 +1 @@\n-a\n+b", f"{HEAD}@@ -1 +1 @@\n-a\n+b"),
    ],
)
def test_what_is_copied_can_be_pasted(snippet: str, pasted: str) -> None:
    assert new_lines(snippet) == pasted


@pytest.mark.parametrize(
    ("check", "parts"),
    [
        ("", []),
        ("wsbook run ws://x --steps 1.3", [("command", "wsbook run ws://x --steps 1.3")]),
        ("nginx -T\n\nCompare both.", [("command", "nginx -T"), ("words", "Compare both.")]),
    ],
)
def test_a_check_is_commands_and_words(check: str, parts: list[tuple[str, str]]) -> None:
    assert check_parts(check) == parts
