"""wsbook bench: which trials are chosen, artifacts with a known answer, and the file that is written."""

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from wsbook.cli import benching
from wsbook.cli.benching import lab_trials, sample_trials, sampled, show_bench, write_accuracy
from wsbook.errors import UnwritableError, UsageError

NGINX = "location /ws {\n  proxy_http_version 1.1;\n  proxy_pass http://app;\n}\n"
CASES = [
    {"id": "a1", "kind": "nginx_conf", "cause": "proxy.upgrade-header-missing", "symptom": "400", "artifact": NGINX},
    {"id": "a2", "kind": "nginx_conf", "cause": "tls.cert-expired", "artifact": NGINX},
    {"id": "a3", "kind": "", "cause": "net.ipv6", "artifact": "zzz"},
]


@pytest.fixture
def console() -> Console:
    return Console(file=StringIO(), width=120)


def said(console: Console) -> str:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(("count", "chosen"), [(0, "abcdefgh"), (4, "aceg"), (3, "acf"), (8, "abcdefgh"), (99, "abcdefgh"), (1, "a")])
def test_a_sample_is_spread_over_all(count: int, chosen: str) -> None:
    assert "".join(sampled("abcdefgh", count)) == chosen


def test_an_unknown_fault_is_refused_before_anything_runs(console: Console) -> None:
    with pytest.raises(UsageError, match="nonsense"):
        list(lab_trials(["", "nonsense"], console))
    assert said(console) == ""


def test_artifacts_are_tried_alone_and_what_came_of_it_is_written(tmp_path: Path, monkeypatch, console: Console) -> None:
    folder = tmp_path / "samples" / "cases"
    folder.mkdir(parents=True)
    (folder / "faults_made.jsonl").write_text("".join(json.dumps(case) + "\n" for case in CASES))
    (folder / "healthy_made.jsonl").write_text(json.dumps({"id": "h", "kind": "backend_log", "cause": "", "artifact": "INFO started\n"}))
    monkeypatch.setattr(benching, "shipped_folder", lambda name: tmp_path)
    trials = list(sample_trials(console))
    assert [(one.name, one.first, bool(one.problem)) for one in trials] == [
        ("a1", True, False),
        ("a2", False, False),
        ("a3", False, True),
        ("h", True, False),
    ]
    show_bench(console, trials)
    assert "not first: a2 (tls.cert-expired): named proxy.upgrade-header-missing" in said(console)
    assert "nothing wrong: 1 tried, 0 false alarms" in said(console)
    write_accuracy(tmp_path / "accuracy.json", trials)
    document = json.loads((tmp_path / "accuracy.json").read_text())
    assert document["artifact"]["all"] == {"trials": 2, "first": 1, "among_three": 1, "median_s": document["artifact"]["all"]["median_s"]}
    assert list(document["artifact"]["not_run"]) == ["a3"]
    assert document["made"]["wsbook"]
    with pytest.raises(UnwritableError):
        write_accuracy(tmp_path / "nowhere" / "accuracy.json", trials)
