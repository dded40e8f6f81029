"""Several faults of the lab planted together: their changes are made one after the other, or they are refused."""

import pytest
from lab.lab_client import original

from wsbook.errors import UsageError
from wsbook.lab import COMBINATIONS, FAULTS
from wsbook.lab.deployment import _choose_proxy, _server_files
from wsbook.lab.faults import edit_text, find_fault
from wsbook.lab.proxies import CONFIGS, read_template


@pytest.mark.parametrize("name", COMBINATIONS)
def test_both_changes_are_made(name: str) -> None:
    fault = find_fault(name)
    parts = [find_fault(one) for one in name.split("+")]
    assert (fault.named, *fault.others) == tuple(part.named for part in parts if not part.healthy)
    proxy = _choose_proxy(fault, "")
    assert all(proxy in part.proxies for part in parts)
    assert edit_text(fault, f"proxy/{CONFIGS[proxy]}", read_template(proxy))
    for file in {edit.file for edit in fault.edits if not edit.file.startswith("proxy/")}:
        text = edit_text(fault, file, original(fault, file))
        assert all(edit.new in text for edit in fault.edits if edit.file == file)
    assert _server_files(fault)["server.py"] == "backend.py"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("tls.cert-expired+tls.self-signed", "both set tls"),
        ("proxy.idle-timeout-nginx+proxy.idle-timeout-haproxy", "no proxy shows both"),
        ("client.no-reconnect+nonsense", "no fault 'nonsense'"),
    ],
)
def test_what_cannot_be_together_is_refused(name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        find_fault(name)


def test_there_are_thirty_of_two_or_three() -> None:
    assert len(set(COMBINATIONS)) >= 30
    assert {sum(one in FAULTS for one in name.split("+")) for name in COMBINATIONS} == {2, 3}
