"""wsbook compare: what a person and a program are told of two records."""

import json
from pathlib import Path
from typing import Any

import pytest
from test_cli import wsbook

from wsbook.case import Judgement
from wsbook.facts import UpgradeFacts
from wsbook.finding import Finding, Severity, StepVerdict, Verdict
from wsbook.observation import Source, Stage, observed
from wsbook.record import Record
from wsbook.target import parse_target

CALM = (0.0031, 0.0030, 0.0032, 0.0031, 0.0029)
URL = "wss://shop.test/ws"


def record(folder: Path, *causes: str, tls: tuple[float, ...] = CALM, url: str = URL, lab: str = "") -> str:
    """Make a record with these root causes and these durations of TLS; return its folder."""
    target = parse_target(url)
    made = Record.create(folder, target, lab=lab)
    for duration_s in tls:
        stage = Stage(name="tls", started_s=0.0, duration_s=duration_s, ok=True)
        made.add(observed(Source(step="1.3", probe="upgrade", hop="endpoint"), UpgradeFacts(url=url, accepted=True), stages=(stage,)))
    findings = tuple(
        Finding(
            cause=cause, step="1.3", verdict=Verdict.FAULT, severity=Severity.ERROR, confidence=0.9, summary=f"{cause} is bad", root=True
        )
        for cause in causes
    )
    verdict = StepVerdict(step="1.3", title="direct test", verdict=Verdict.FAULT if causes else Verdict.CLEAR, summary="said")
    made.write_json("findings.json", Judgement(target=target, findings=findings, steps=(verdict,)).document())
    return str(folder)


def test_a_program_is_told_what_differs(tmp_path: Path, monkeypatch, capsys) -> None:
    broken, mended = record(tmp_path / "a", "tls.cert-expired"), record(tmp_path / "b", tls=tuple(3 * value for value in CALM))
    code, out, _ = wsbook(capsys, monkeypatch, "compare", broken, mended, "--json")
    document = json.loads(out)
    assert code == 0
    assert document["steps"] == {"1.3": ["fault", "clear"]}
    assert (document["gone"], document["new"], document["targets"]) == (["tls.cert-expired"], [], [])
    assert [found["summary"] for found in document["vanished"]] == ["tls.cert-expired is bad"]
    (shift,) = document["timings"]
    assert (shift["what"], shift["said"]) == ("tls", "slower")


def test_a_person_is_told_what_differs(tmp_path: Path, monkeypatch, capsys) -> None:
    mended, broken = record(tmp_path / "a"), record(tmp_path / "b", "tls.cert-expired", tls=tuple(3 * value for value in CALM))
    code, out, _ = wsbook(capsys, monkeypatch, "compare", mended, broken)
    lines = [" ".join(line.split()) for line in out.splitlines() if line.strip()]
    assert code == 1
    assert lines[:3] == [
        "1.3 direct test ✓ clear → ✗ fault",
        "root cause new tls.cert-expired",
        "appeared tls.cert-expired is bad",
    ]
    assert lines[3].startswith("1.3 tls at endpoint ─")
    assert lines[3].endswith("3.1 ms → 9.3 ms noise ±445 µs slower")
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("tls", "said"),
    [(CALM, "No timing shifted: 1 timing within noise"), (CALM[:2], "No timing shifted: 1 timing too few to tell"), ((), "")],
)
def test_nothing_changed(tmp_path: Path, monkeypatch, capsys, tls: tuple[float, ...], said: str) -> None:
    folder = record(tmp_path / "a", "tls.cert-expired", tls=tls)
    code, out, _ = wsbook(capsys, monkeypatch, "compare", folder, folder)
    assert code == 0
    assert [line.strip() for line in out.splitlines() if line.strip()] == list(filter(None, ["Nothing that was found has changed.", said]))


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ({}, {"url": "wss://bank.test/ws"}, "different targets: wss://shop.test/ws and wss://bank.test/ws."),
        ({"lab": "healthy", "url": "ws://127.0.0.1:1/ws"}, {"lab": "healthy", "url": "ws://127.0.0.1:2/ws"}, ""),
        ({"lab": "healthy"}, {"lab": "net.refused"}, "different targets: the lab, healthy and the lab, net.refused."),
    ],
)
def test_different_targets_are_said(tmp_path: Path, monkeypatch, capsys, one: dict[str, Any], other: dict[str, Any], said: str) -> None:
    _, out, _ = wsbook(capsys, monkeypatch, "compare", record(tmp_path / "a", **one), record(tmp_path / "b", **other))
    assert said in out
    assert ("different targets" in out) is bool(said)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[]", "is not of the schema"),
        ('{"steps": {"1.3": 5}, "findings": []}', "is not of the schema"),
        ('{"steps": {}, "findings": [{"cause": 1}]}', "is not of the schema"),
        ("{", "cannot be read"),
        ("", "cannot be read"),
    ],
)
def test_a_broken_judgement_is_one_sentence(tmp_path: Path, monkeypatch, capsys, content: str, said: str) -> None:
    folder = Path(record(tmp_path / "a"))
    (folder / "findings.json").write_text(content)
    code, _, err = wsbook(capsys, monkeypatch, "compare", str(folder), str(folder))
    assert code == 2
    assert said in err and len(err.strip().splitlines()) == 1


def test_a_record_without_judgement_says_what_to_do(tmp_path: Path, monkeypatch, capsys) -> None:
    Record.create(tmp_path / "a", parse_target(URL))
    code, _, err = wsbook(capsys, monkeypatch, "compare", str(tmp_path / "a"), str(tmp_path / "a"))
    assert code == 2
    assert "wsbook run --out" in err


def test_hostile_words_stay_words(tmp_path: Path, monkeypatch, capsys) -> None:
    clear, hostile = record(tmp_path / "a"), record(tmp_path / "b", "evil\x1b]8;;http://x\x07[red]\u202e")
    code, out, _ = wsbook(capsys, monkeypatch, "compare", clear, hostile)
    assert code == 1
    assert "\\x1b" in out and "[red]" in out
    assert "\x1b" not in out and "\u202e" not in out


def test_a_hostile_name_of_a_lab_stays_words(tmp_path: Path, monkeypatch, capsys) -> None:
    one, other = record(tmp_path / "a", lab="healthy"), record(tmp_path / "b", lab="[red]\x1b]0;owned\x07")
    _, out, _ = wsbook(capsys, monkeypatch, "compare", one, other)
    assert "[red]\\x1b]0;owned" in out and "\x1b" not in out
