"""SARIF: what the standard demands of every object that we write, and where findings point."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from wsbook.finding import Finding, Proof, Severity, Verdict
from wsbook.report import sarif_bytes
from wsbook.target import Target

DIFF = """Change it like this.
--- /srv/nginx/app.conf.orig
+++ /srv/nginx/app.conf
@@ -3,4 +3,5 @@
     location /ws {
-        proxy_pass http://old;
+        proxy_pass http://app;
+        proxy_http_version 1.1;
     }
"""
PROPERTIES = {
    "log": {"$schema", "version", "runs"},
    "run": {"tool", "columnKind", "results", "originalUriBaseIds"},
    "rule": {"id", "shortDescription", "fullDescription", "help", "helpUri", "defaultConfiguration", "properties"},
    "result": {"ruleId", "ruleIndex", "level", "rank", "message", "locations", "relatedLocations", "partialFingerprints", "fixes"}
    | {"properties"},
    "location": {"id", "message", "physicalLocation"},
    "region": {"startLine", "startColumn", "endLine", "endColumn"},
}
"""Of the properties that SARIF 2.1.0 gives these objects, those that we use; the schema allows no others than its own."""


def finding(**fields: Any) -> Finding:
    values: dict[str, Any] = {
        "cause": "proxy.upgrade-header-missing",
        "step": "2.2",
        "verdict": Verdict.FAULT,
        "severity": Severity.ERROR,
        "confidence": 0.97,
        "summary": "nginx passes /ws on without Upgrade",
        "root": True,
        "evidence": (Proof(text="GET /ws 400", where="logs/app.log:88"), Proof(text="no Upgrade", where="/srv/nginx/app.conf:14")),
        "remedy": DIFF,
    }
    return Finding(**{**values, **fields})


def document(*findings: Finding, **given: Any) -> dict[str, Any]:
    return dict(json.loads(sarif_bytes(findings, Target(url="", **given))))


def check_location(location: dict[str, Any], bases: dict[str, Any]) -> None:
    assert set(location) <= PROPERTIES["location"]
    physical = location["physicalLocation"]
    assert physical["region"]["startLine"] >= 1
    assert set(physical["region"]) <= PROPERTIES["region"]
    check_artifact(physical["artifactLocation"], bases)


def check_artifact(artifact: dict[str, Any], bases: dict[str, Any]) -> None:
    """Sections 3.4.3 and 3.4.4: a URI reference, relative where it has a base, which is known."""
    address = urlsplit(artifact["uri"])
    assert " " not in artifact["uri"]
    assert "uriBaseId" not in artifact or (not address.scheme and not address.path.startswith("/") and artifact["uriBaseId"] in bases)


def check(content: dict[str, Any]) -> None:
    """Hold a document against what the standard says of its objects."""
    assert set(content) == PROPERTIES["log"]
    assert content["version"] == "2.1.0"
    (run,) = content["runs"]
    assert set(run) <= PROPERTIES["run"]
    rules, bases = run["tool"]["driver"]["rules"], run.get("originalUriBaseIds", {})
    assert all(base["uri"].startswith("file:///") and base["uri"].endswith("/") for base in bases.values())  # section 3.14.14
    assert len({rule["id"] for rule in rules}) == len(rules)
    for rule in rules:
        assert set(rule) <= PROPERTIES["rule"]
        assert all(rule[name]["text"] for name in ("shortDescription", "fullDescription", "help") if name in rule)
    for result in run["results"]:
        assert set(result) <= PROPERTIES["result"]
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("none", "note", "warning", "error")
        assert 0.0 <= result["rank"] <= 100.0
        assert result["message"]["text"]
        assert len(result["locations"]) == 1
        for location in (*result["locations"], *result.get("relatedLocations", ())):
            check_location(location, bases)
        for fix in result.get("fixes", ()):
            assert fix["description"]["text"]
            for change in fix["artifactChanges"]:
                check_artifact(change["artifactLocation"], bases)
                assert change["replacements"]
                assert all(set(one) <= {"deletedRegion", "insertedContent"} for one in change["replacements"])


@pytest.mark.parametrize(
    "content",
    [
        document(),
        document(finding()),
        document(finding(), configs=("/srv/nginx/app.conf",), logs=("logs/app.log",)),
        document(finding(cause="nobody.knows", severity=Severity.INFO)),
        document(finding(summary="\x1b[31m [a](javascript:1) {0} <b>\0"), finding(cause="client.no-reconnect", remedy="")),
    ],
)
def test_every_object_has_what_the_standard_demands(content: dict[str, Any]) -> None:
    check(content)


@pytest.mark.parametrize(
    "fields",
    [
        {"verdict": Verdict.CLEAR},
        {"verdict": Verdict.UNKNOWN},
        {"evidence": (Proof(text="400", where="upgrade at endpoint"),)},
        {"evidence": (Proof(text="x", where="http://127.0.0.1:8080/app.js:18"),)},
        {"evidence": (Proof(text="x", where="app.log:0"),)},
        {"evidence": ()},
    ],
)
def test_what_is_no_fault_or_has_no_line_of_a_file_is_no_result(fields: dict[str, Any]) -> None:
    assert document(finding(**fields))["runs"][0]["results"] == []


@pytest.mark.parametrize(
    ("given", "uri", "base"),
    [
        ({}, "file:///srv/nginx/app.conf", None),
        ({"configs": ("/srv/nginx/app.conf",)}, "app.conf", "file:///srv/nginx/"),
        ({"configs": ("/srv",)}, "nginx/app.conf", "file:///srv/"),
        ({"configs": ("/srv", "/srv/nginx")}, "app.conf", "file:///srv/nginx/"),
        ({"configs": ("/opt/else",)}, "file:///srv/nginx/app.conf", None),
    ],
)
def test_a_path_stands_relative_to_what_was_given(given: dict[str, Any], uri: str, base: str | None) -> None:
    run = document(finding(), logs=("logs/app.log",), **given)["runs"][0]
    artifact = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert artifact["uri"] == uri
    assert run.get("originalUriBaseIds", {}).get(artifact.get("uriBaseId"), {}).get("uri") == base


def test_lines_of_logs_are_related_unless_there_is_nothing_else() -> None:
    first, second = (
        document(finding(evidence=evidence), logs=("logs",))["runs"][0]["results"][0]
        for evidence in (finding().evidence, finding().evidence[:1])
    )
    assert first["locations"][0]["physicalLocation"]["region"] == {"startLine": 14}
    assert [one["physicalLocation"]["artifactLocation"]["uri"] for one in first["relatedLocations"]] == ["logs/app.log"]
    assert second["locations"][0]["physicalLocation"]["region"] == {"startLine": 88}


def test_a_diff_is_a_fix_of_whole_lines() -> None:
    (change,) = document(finding())["runs"][0]["results"][0]["fixes"][0]["artifactChanges"]
    assert change["replacements"] == [
        {
            "deletedRegion": {"startLine": 4, "startColumn": 1, "endLine": 5, "endColumn": 1},
            "insertedContent": {"text": "        proxy_pass http://app;\n        proxy_http_version 1.1;\n"},
        }
    ]


def test_the_fingerprint_stays_when_lines_and_folders_move() -> None:
    moved = finding(evidence=(Proof(text="no Upgrade", where="/home/x/app.conf:99"),), remedy="", confidence=0.6)
    given = {"configs": ("/srv/nginx/app.conf",), "logs": ("logs/app.log",)}
    documents = document(finding(), **given), document(moved, configs=("/home/x/app.conf",))
    assert len({one["runs"][0]["results"][0]["partialFingerprints"]["wsbookCause/v1"] for one in documents}) == 1


def test_the_command_writes_what_it_read(tmp_path: Path) -> None:
    sample = Path(__file__).parents[2] / "data/samples/configs/broken/nginx_inheritance.conf"
    path = tmp_path / "r.sarif"
    ended = subprocess.run([sys.executable, "-m", "wsbook", "read", sample, "--sarif", path, "--json"], capture_output=True)
    assert ended.returncode == 1
    content = json.loads(path.read_bytes())
    check(content)
    assert [result["ruleId"] for result in content["runs"][0]["results"]] == json.loads(ended.stdout)["root_causes"]
