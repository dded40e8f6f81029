"""How often the planted cause is named: counted by area, with false alarms and with how sure was how right."""

import pytest

from wsbook.accuracy import SCHEMA, Trial, accuracy, by_area, reliability

NGINX, TLS, WRONG = "proxy.idle-timeout-nginx", "tls.cert-expired", "net.ipv6"


def trial(cause: str, *named: str, **fields: object) -> Trial:
    values = {"kind": "lab", "name": cause, "cause": cause, "named": named, "sure": (0.95,) * len(named), "seconds": 10.0, **fields}
    return Trial(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "first", "among_three"),
    [
        (trial(NGINX, NGINX), True, True),
        (trial(NGINX, TLS, WRONG, NGINX), False, True),
        (trial(NGINX, TLS, WRONG, "origin.not-checked", NGINX), False, False),
        (trial(NGINX), False, False),
        (trial(""), True, True),
        (trial("", WRONG), False, False),
        (trial(NGINX, NGINX, problem="nginx is not installed"), False, True),
    ],
    ids=["first", "third", "fourth", "nothing", "healthy", "false alarm", "not run"],
)
def test_a_trial(one: Trial, first: bool, among_three: bool) -> None:
    assert (one.first, one.among_three) == (first, among_three)


@pytest.mark.parametrize(
    ("named", "complete"),
    [((NGINX, TLS), True), ((TLS, NGINX), True), ((NGINX,), False), ((NGINX, TLS, WRONG), False), ((), False)],
    ids=["both", "in another order", "one only", "one invented", "nothing"],
)
def test_faults_planted_together(named: tuple[str, ...], complete: bool) -> None:
    one = trial(NGINX, *named, kind="combination", name="a+b", also=(TLS,))
    assert one.complete is complete
    document = accuracy([one])["combination"]
    assert (document["all_named"], document["nothing_invented"]) == (int({NGINX, TLS} <= set(named)), int(set(named) <= {NGINX, TLS}))
    assert document["not_complete"] == ({} if complete else {"a+b": list(named)})


def test_areas_stand_in_the_order_of_the_catalogue_without_what_did_not_run() -> None:
    trials = [trial(NGINX, NGINX, seconds=8.0), trial(NGINX, WRONG, NGINX), trial(TLS, seconds=3.0), trial(""), trial(WRONG, problem="no")]
    scores = [(one.area, one.trials, one.first, one.among_three, one.missed, one.seconds) for one in by_area(trials)]
    assert scores == [("tls", 1, 0, 0, 1, 3.0), ("proxy", 2, 1, 2, 0, 9.0)]


def test_what_was_said_is_counted_by_how_sure_it_was() -> None:
    trials = [
        trial(NGINX, NGINX, WRONG, sure=(0.95, 0.4)),
        trial(TLS, TLS, sure=(1.0,)),
        trial(TLS, WRONG, sure=(0.9,)),
        trial(NGINX, TLS, sure=(0.6,), also=(TLS,)),
    ]
    counted = {(one.low, one.high): (one.said, one.true) for one in reliability(trials) if one.said}
    assert counted == {(0.3, 0.5): (1, 0), (0.5, 0.7): (1, 1), (0.9, 1.0): (3, 2)}


def test_the_document_keeps_kinds_apart_and_names_what_missed() -> None:
    trials = [trial(NGINX, WRONG), trial("", name="healthy"), trial("", WRONG, name="again"), trial(TLS, TLS, kind="artifact", name="L1")]
    document = accuracy(trials)
    assert document["schema"] == SCHEMA
    assert document["lab"]["all"] == {"trials": 1, "first": 0, "among_three": 0, "median_s": 10.0}
    assert document["lab"]["healthy"] == {"trials": 2, "false_alarms": 1}
    assert document["lab"]["not_first"] == {NGINX: [WRONG], "again": [WRONG]}
    assert document["artifact"]["areas"]["tls"]["first"] == 1
    assert accuracy([])["lab"]["all"]["trials"] == 0
