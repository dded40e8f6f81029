"""What a user types: mistakes are one sentence and exit code 2, results have their contract."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest

from wsbook import cli
from wsbook.causes import causes
from wsbook.cli.investigate import _chosen
from wsbook.record import Record

ROOT = Path(__file__).parent.parent
SCHEMA = json.loads((ROOT / "data" / "findings.schema.json").read_text(encoding="utf-8"))


def wsbook(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[int, str, str]:
    """Run the command in this process; return exit code, standard output, standard error."""
    monkeypatch.setattr(sys, "argv", ["wsbook", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    shown = capsys.readouterr()
    return int(ended.value.code or 0), shown.out, shown.err


MISTAKES = [
    (["run", "http://shop.test/ws"], "write ws://shop.test/ws"),
    (["run", "https://shop.test/ws"], "write wss://shop.test/ws"),
    (["run", "shop.test/ws"], "write ws:// or wss:// before it: ws://shop.test/ws"),
    (["run", "ftp://shop.test/ws"], "scheme 'ftp'"),
    (["run", "ws://shop.test:99999/"], "not valid"),
    (["run", "ws://shop.test/", "--header", "no colon"], "Name: value"),
    (["run", "ws://shop.test/", "--hop", "app"], "NAME=ws"),
    (["run", "ws://shop.test/", "--har", "missing.har"], "missing.har does not exist"),
    (["run", "ws://shop.test/", "--log", "missing.log"], "missing.log does not exist"),
    (["run", "ws://shop.test/", "--ca", "missing.pem"], "missing.pem does not exist"),
    (["run", "ws://shop.test/", "--fault", "proxy.upgrade-header-missing"], "belongs to the lab"),
    (["run", "ws://shop.test/", "--budget", "huge"], "budget 'huge'"),
    (["run", "ws://shop.test/", "--steps", "9.9"], "no step '9.9'"),
    (["run", "ws://shop.test/", "--header", "Authorization: env:WSBOOK_NOT_SET_ANYWHERE"], "WSBOOK_NOT_SET_ANYWHERE is not set"),
    (["run", "--fault", "proxy.upgrade-header-mising"], "proxy.upgrade-header-missing"),
    (["read", "missing.log"], "missing.log does not exist"),
    (["read", "broken.har", "--kind", "har"], "broken.har"),
    (["read", "broken.har", "--kind", "nonsense"], "nonsense"),
    (["causes", "proxy.nonsense"], "no cause is called"),
    (["lab", "--fault", "nonsense"], "nonsense"),
    (["lab", "--proxy", "nonsense"], "nonsense"),
    (["report", "."], "no record"),
    (["replay", "."], "no record"),
    (["compare", ".", "."], "no record"),
    (["new", "."], "not an empty folder"),
    (["bench", "nonsense"], "no fault 'nonsense'"),
]


@pytest.mark.parametrize(("words", "said"), MISTAKES, ids=[" ".join(row[0])[:60] for row in MISTAKES])
def test_a_mistake_is_one_sentence_and_leaves_nothing(words: list[str], said: str, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.har").write_text('{"log": {"entries": [{"request"')
    code, out, err = wsbook(capsys, monkeypatch, *words)
    assert code == 2
    assert said in err
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) == 1
    assert out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["broken.har"]


def test_unknown_options_are_usage_too(monkeypatch, capsys) -> None:
    code, _, err = wsbook(capsys, monkeypatch, "run", "--nonsense")
    assert code == 2
    assert "Traceback" not in err


CONFIG = """
location /ws {
    proxy_pass http://app:8000;
}
"""


def test_read_names_the_cause_of_a_file(tmp_path: Path, monkeypatch, capsys) -> None:
    (tmp_path / "site.conf").write_text(CONFIG)
    code, out, _ = wsbook(capsys, monkeypatch, "read", str(tmp_path / "site.conf"), "--kind", "nginx_conf", "--json")
    document = json.loads(out)
    jsonschema.validate(document, SCHEMA)
    assert code == 1
    assert document["root_causes"][0] == "proxy.upgrade-header-missing"
    assert document["steps"]["2.2"]["verdict"] == "fault"
    assert document["steps"]["1.3"]["verdict"] == "not applicable"
    assert any("site.conf:" in proof["where"] for proof in document["findings"][0]["evidence"])


def test_read_of_a_healthy_file_is_zero(tmp_path: Path, monkeypatch, capsys) -> None:
    headers = (
        'proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; proxy_read_timeout 1h;'
    )
    (tmp_path / "site.conf").write_text(CONFIG.replace("8000;", f"8000; {headers}"))
    code, out, _ = wsbook(capsys, monkeypatch, "read", str(tmp_path / "site.conf"), "--kind", "nginx_conf")
    assert code == 0
    assert "No fault was found" in out


def test_read_shows_people_what_it_found(tmp_path: Path, monkeypatch, capsys) -> None:
    (tmp_path / "site.conf").write_text(CONFIG)
    _, out, _ = wsbook(capsys, monkeypatch, "read", str(tmp_path / "site.conf"), "--kind", "nginx_conf")
    assert "Root cause   proxy.upgrade-header-missing" in out
    assert "proxy_set_header Upgrade $http_upgrade;" in out
    assert "\x1b" not in out


def test_the_catalogue_and_the_equipment_are_shown(monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["wsbook", "causes", "--json"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    assert len(json.loads(capsys.readouterr().out)) == len(causes())
    code, out, _ = wsbook(capsys, monkeypatch, "check", "--json")
    assert code == 0
    assert {tool["name"] for tool in json.loads(out)} >= {"browser", "caddy", "nginx", "haproxy"}
    code, out, _ = wsbook(capsys, monkeypatch, "lab", "--list")
    assert "proxy.upgrade-header-missing" in out


CATALOGUE = [
    (["proxy.idle-timeout-nginx"], ["proxy.idle-timeout-nginx", "what it means", "the fix", "proxy_read_timeout 1h;"]),
    (["proxy.idle"], ["proxy.idle-timeout-nginx", "proxy.idle-timeout-haproxy", "causes; wsbook causes SLUG"]),
    (["nginx", "idle"], ["proxy.idle-timeout-nginx"]),
    (["Certificate", "expired"], ["tls.cert-expired"]),
]


@pytest.mark.parametrize(("words", "shown"), CATALOGUE, ids=[" ".join(row[0]) for row in CATALOGUE])
def test_causes_are_found_by_slug_or_words(words: list[str], shown: list[str], monkeypatch, capsys) -> None:
    code, out, _ = wsbook(capsys, monkeypatch, "causes", *words)
    assert code == 0
    assert [part for part in shown if part not in out] == []


SYMPTOMS = [
    ([], ["502 Bad Gateway", "35 symptoms; wsbook symptoms WORDS"]),
    (["1006", "after", "60", "s", "idle", "behind", "nginx"], ["proxy.idle-timeout-nginx", "told, not measured"]),
    (["blah"], ["nothing is known of “blah”"]),
]


@pytest.mark.parametrize(("words", "shown"), SYMPTOMS, ids=["list", "words", "unknown words"])
def test_a_symptom_gives_ranked_causes(words: list[str], shown: list[str], monkeypatch, capsys) -> None:
    code, out, _ = wsbook(capsys, monkeypatch, "symptoms", *words)
    assert code == 0
    assert [part for part in shown if part not in out] == []


def test_symptoms_can_be_read_by_programs(monkeypatch, capsys) -> None:
    known = json.loads(wsbook(capsys, monkeypatch, "symptoms", "--json")[1])
    assert known["handshake-502"] == "502 Bad Gateway"
    first = json.loads(wsbook(capsys, monkeypatch, "symptoms", "502 from nginx", "--json")[1])[0]
    assert first["cause"] == "proxy.upstream-unreachable" and first["check"]


def test_every_command_says_what_it_does_within_eighty_columns(monkeypatch, capsys) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for words in ((), ("run",), ("read",), ("load",), ("fleet",)):
        code, out, _ = wsbook(capsys, monkeypatch, *words, "-h")
        assert code == 0
        assert "Usage: wsbook" in out
        assert max(map(len, out.splitlines())) <= 80


@pytest.mark.slow
def test_the_bench_says_which_faults_are_named(monkeypatch, capsys) -> None:
    code, out, err = wsbook(capsys, monkeypatch, "bench", "proxy.upstream-unreachable", "--json")
    (trial,) = json.loads(out)
    assert code == 0
    assert trial["right"] is True
    assert trial["named"][0] == "proxy.upstream-unreachable"
    assert "Reverse proxy" in err


@pytest.mark.slow
def test_run_leaves_a_record_and_prints_its_findings(tmp_path: Path, monkeypatch, capsys) -> None:
    record = tmp_path / "record"
    words = ("run", "--fault", "proxy.upgrade-header-missing", "--steps", "1.3,2.2", "--out", str(record), "--json")
    code, out, err = wsbook(capsys, monkeypatch, *words)
    document = json.loads(out)
    jsonschema.validate(document, SCHEMA)
    assert code == 1
    assert document["root_causes"][0] == "proxy.upgrade-header-missing"
    assert document["incomplete"] == []
    stored = json.loads((record / "findings.json").read_text(encoding="utf-8"))
    assert stored["root_causes"] == document["root_causes"]
    assert {"target.toml", "observations.jsonl", "findings.json", "environment.json", "report.html", "report.md"} <= {
        path.name for path in record.iterdir()
    }
    assert "proxy.upgrade-header-missing" in (record / "report.html").read_text(encoding="utf-8")
    assert "Root cause" in err


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_an_interrupted_run_is_one_sentence_and_leaves_its_record(number: signal.Signals, tmp_path: Path) -> None:
    record = tmp_path / "record"
    command = [sys.executable, "-m", "wsbook", "run", "--steps", "1.3,3.4", "--out", str(record)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True) as run:
        deadline = time.monotonic() + 60
        while not _seen(record) and time.monotonic() < deadline:
            time.sleep(0.1)
        os.killpg(run.pid, number)
        _, said = run.communicate(timeout=60)
    assert run.returncode == 3
    assert said == "wsbook: interrupted; what was seen so far is in the record\n"
    assert _seen(record)


def _seen(record: Path) -> bool:
    return (record / "target.toml").exists() and bool(Record(record).observations())


@pytest.mark.slow
def test_the_lab_holds_until_it_is_told_to_stop() -> None:
    command = [sys.executable, "-m", "wsbook", "lab", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as lab:
        assert lab.stdout is not None
        described = json.loads(lab.stdout.readline())
        assert {"url", "page", "hops", "configs", "logs", "frontend", "backend"} <= described.keys()
        assert lab.poll() is None
        lab.send_signal(signal.SIGTERM)
        assert lab.wait(timeout=10) == 0
    deadline = time.monotonic() + 5
    while any(_alive(pid) for pid in described["pids"].values()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [name for name, pid in described["pids"].items() if _alive(pid)]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def test_following_a_log_prints_what_it_knows_and_ends_with_an_interrupt(tmp_path: Path) -> None:
    log = tmp_path / "error.log"
    log.write_text("old\n")
    command = [sys.executable, "-m", "wsbook", "read", "--follow", str(log)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline().startswith("watching")
        with log.open("a") as target:
            target.write("2026/03/12 10:01:00 [error] 9#9: *7 connect() failed (111: Connection refused) while connecting to upstream\n")
        assert "proxy.upstream-unreachable" in running.stdout.readline()
        running.send_signal(signal.SIGTERM)
        assert running.stdout.read() == "stopped\n"
    assert running.returncode == 0


@pytest.mark.parametrize(
    ("steps", "symptom", "expected"),
    [("", "1006", ()), ("1.3,2.2", "", ("1.3", "2.2")), ("1.3", "1006 after 60 s", ("0", "1.3")), ("0,1.3", "1006", ("0", "1.3"))],
)
def test_what_was_told_is_heard_whatever_steps_are_chosen(steps: str, symptom: str, expected: tuple[str, ...]) -> None:
    assert _chosen(steps, symptom) == expected
