"""The README's accuracy is what the file says, misses included."""

import json
from pathlib import Path

import pytest

from wsbook.accuracy import Trial, accuracy
from wsbook.cli import accuracy_page

NGINX, TLS = "proxy.idle-timeout-nginx", "tls.cert-expired"
MADE = {"made_at": "2026-11-27T10:00:00+00:00", "python": "3.11.7", "system": "Linux x86_64", "cores": 2}


def trial(kind: str, name: str, cause: str, *named: str, also: tuple[str, ...] = ()) -> Trial:
    said = {"named": named, "sure": (0.95,) * len(named), "severe": (True,) * len(named)}
    return Trial(kind=kind, name=name, cause=cause, also=also, seconds=8.0, **said)  # type: ignore[arg-type]


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    trials = [
        trial("fault", NGINX, NGINX, NGINX),
        trial("fault", TLS, TLS, NGINX),
        trial("healthy", "stack.a", ""),
        trial("healthy", "stack.b", "", TLS),
        trial("together", "a+b", NGINX, NGINX, TLS, also=(TLS,)),
        trial("until-sure", TLS, TLS, TLS),
        trial("artifact", "L1", TLS, TLS),
    ]
    (tmp_path / "accuracy.json").write_text(json.dumps({**accuracy(trials), "made": MADE}))
    monkeypatch.setattr(accuracy_page, "shipped_folder", lambda name: tmp_path)
    return accuracy_page.accuracy_page()


@pytest.mark.parametrize(
    "line",
    [
        "- **2 healthy stacks**, 2 investigations: 1 false alarm.",
        "- **1 combinations** of two and three faults: all named in 1, nothing else named in 1.",
        "- **`--until-sure`**, 1 faults: first in 1, after 8 s in the median.",
        "- **1 artifact samples**, alone: first in 1, among three in 1.",
        "- **Confidence above 90 %**: 4 of 6 such findings were true.",
        "| TLS | 1 | 0 | 0 | 1 | 8.0 s |",
        "| **all** | 2 | 1 | 1 | 1 | 8.0 s |",
        f"Not first: `{TLS}` (named {NGINX}).",
        f"False alarms: `stack.b` (named {TLS}).",
        "Measured 2026-11-27 with Python 3.11.7 on Linux x86_64, 2 cores, quick budget.",
    ],
)
def test_what_was_measured_is_told(page: str, line: str) -> None:
    assert line in page.splitlines()
