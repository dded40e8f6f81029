"""wsbook bench: which trials are chosen, artifacts with a known answer, and the file that is written."""

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from wsbook.accuracy import Trial
from wsbook.cli import benching
from wsbook.cli.benching import Bench, chosen_kinds, read_trials, sampled, show_bench, write_accuracy
from wsbook.errors import UnwritableError, UsageError
from wsbook.lab import COMBINATIONS, FAULTS, STACKS

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


def test_unknown_faults_and_kinds_are_refused_before_anything_runs(console: Console) -> None:
    with pytest.raises(UsageError, match="nonsense"):
        Bench(kinds=("fault",), names=("nonsense",)).run(console, lambda trial: None)
    with pytest.raises(UsageError, match="nonsense"):
        chosen_kinds(["fault", "nonsense"])
    assert said(console) == ""


def test_the_plan_has_every_fault_and_stack_and_the_healthy_ones_three_times() -> None:
    plan = Bench(kinds=chosen_kinds([])).plan()
    assert {name for kind, name, _ in plan if kind == "fault"} == set(FAULTS)
    assert {name for kind, name, _ in plan if kind == "together"} == set(COMBINATIONS)
    assert [sum(kind == "healthy" and name == stack for kind, name, _ in plan) for stack in ("", *STACKS)] == [3] * (len(STACKS) + 1)
    assert len(plan) == len(set(plan))
    sample = Bench(kinds=chosen_kinds(["fault", "healthy"]), sample=4).plan()
    assert [kind for kind, _, _ in sample] == ["fault"] * 4 + ["healthy"] * 4


@pytest.mark.parametrize(
    ("name", "only", "kind"),
    [
        ("tls.cert-expired", (), "fault"),
        ("tls.cert-expired", ("until-sure",), "until-sure"),
        ("stack.nginx", (), "healthy"),
        ("", (), "healthy"),
        ("stack.nginx+proxy.http-1.0-upstream", (), "fault"),
        ("tls.cert-expired+client.no-reconnect", (), "together"),
    ],
)
def test_a_name_tells_what_kind_of_trial_it_is(name: str, only: tuple[str, ...], kind: str) -> None:
    assert Bench(kinds=chosen_kinds(only), names=(name,)).plan() == [(kind, name, 1)]


def test_artifacts_are_tried_alone_and_what_came_of_it_is_written(tmp_path: Path, monkeypatch, console: Console) -> None:
    folder = tmp_path / "samples" / "cases"
    folder.mkdir(parents=True)
    (folder / "faults_made.jsonl").write_text("".join(json.dumps(case) + "\n" for case in CASES))
    (folder / "healthy_made.jsonl").write_text(json.dumps({"id": "h", "kind": "backend_log", "cause": "", "artifact": "INFO started\n"}))
    monkeypatch.setattr(benching, "shipped_folder", lambda name: tmp_path)
    trials = list[Trial]()
    Bench(kinds=("artifact", "told")).run(console, trials.append)
    assert [(one.name, one.first, bool(one.problem)) for one in trials] == [
        ("a1", True, False),
        ("a2", False, False),
        ("a3", False, True),
        ("h", True, False),
        ("a1", True, False),
    ]
    assert [one.kind for one in trials] == ["artifact"] * 4 + ["told"]
    show_bench(console, trials)
    assert "not first: a2 (tls.cert-expired): named proxy.upgrade-header-missing" in said(console)
    assert "nothing wrong: 1 tried, 0 false alarms" in said(console)
    write_accuracy(tmp_path / "accuracy.json", [], trials)
    document = json.loads((tmp_path / "accuracy.json").read_text())
    assert document["artifact"]["all"] == {"trials": 2, "first": 1, "among_three": 1, "median_s": document["artifact"]["all"]["median_s"]}
    assert list(document["artifact"]["not_run"]) == ["a3"]
    assert document["made"]["wsbook"]
    assert read_trials(tmp_path / "accuracy.json") == trials
    with pytest.raises(UnwritableError):
        write_accuracy(tmp_path / "nowhere" / "accuracy.json", [], trials)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"trials": [{"kind": 1}]}', '{"trials": 3}'])
def test_a_file_of_somebody_elses_is_not_overwritten(tmp_path: Path, content: str) -> None:
    (tmp_path / "other.json").write_text(content)
    with pytest.raises(UsageError, match="holds no trials"):
        read_trials(tmp_path / "other.json")
    assert read_trials(tmp_path / "none.json") == []


@pytest.mark.slow
def test_a_fault_is_tried_in_both_ways(console: Console) -> None:
    trials = list[Trial]()
    for kinds in (("fault",), ("until-sure",)):
        Bench(kinds=kinds, names=("tls.cert-expired",)).run(console, trials.append)
    whole, short = trials
    assert "1 of 1  until-sure  tls.cert-expired: tls.cert-expired" in said(console)
    assert whole.first and short.first and whole.sure[0] >= 0.9
    assert 0 < short.seconds <= short.whole_s < whole.whole_s


@pytest.mark.slow
def test_several_trials_at_once(console: Console) -> None:
    trials = list[Trial]()
    Bench(kinds=("until-sure",), names=("tls.cert-expired", "tls.self-signed", "origin.not-in-allowlist"), jobs=2).run(
        console, trials.append
    )
    assert {trial.name: trial.named[:1] for trial in trials} == {trial.name: (trial.name,) for trial in trials}
    assert len(trials) == 3
