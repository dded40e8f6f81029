"""What the terminal shows can be used as it stands."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from wsbook.causes import cause
from wsbook.cli.terminal import show_causes
from wsbook.finding import Finding, Proof, Severity, Verdict

CHANGE = """Change the configuration like this.
--- {here}/nginx.conf.orig
+++ {here}/nginx.conf
@@ -1,2 +1,3 @@
 location /ws {{
+    proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade; proxy_http_version 1.1; proxy_read_timeout 1h;
 }}"""


def test_a_change_is_printed_as_it_can_be_applied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    remedy = CHANGE.format(here=tmp_path)
    found = Finding(
        cause="proxy.upgrade-header-missing", step="2.2", verdict=Verdict.FAULT, severity=Severity.ERROR, confidence=0.9,
        root=True, summary="it is not passed",
        evidence=(Proof(observation="2.2-1", where=f"{tmp_path}/nginx.conf:8", text="Upgrade: absent"),), remedy=remedy,
    )  # fmt: skip
    console = Console(file=io.StringIO(), width=72)
    show_causes(console, [found])
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert "  proof   nginx.conf:8: Upgrade: absent" in lines
    printed = [line[10:] for line in lines if line.startswith(" " * 10)]
    assert printed == remedy.replace(f"{tmp_path}/", "").splitlines()[1:]


def candidate(cause: str, confidence: float, observation: str) -> Finding:
    return Finding(
        cause=cause, step="1.3", verdict=Verdict.FAULT, severity=Severity.ERROR, confidence=confidence, root=True, summary="answered 403",
        evidence=(Proof(observation=observation, text="403"),),
    )  # fmt: skip


@pytest.mark.parametrize(("confidence", "observation", "said"), [(0.5, "1.3-1", True), (0.95, "1.3-1", False), (0.5, "3.1-1", False)])
def test_what_cannot_be_told_apart_is_said_with_what_separates_it(confidence: float, observation: str, said: bool) -> None:
    console = Console(file=io.StringIO(), width=200)
    show_causes(
        console, [candidate("origin.not-in-allowlist", confidence, "1.3-1"), candidate("auth.credential-not-sent", 0.4, observation)]
    )
    assert isinstance(console.file, io.StringIO)
    printed = console.file.getvalue()
    assert ("cannot be told apart" in printed) is said
    assert (cause("auth.credential-not-sent").test[:60] in printed) is said
