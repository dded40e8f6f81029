"""How often the planted cause is named: counted by area, with false alarms and with how sure was how right."""

import pytest

from wsbook.accuracy import SCHEMA, Trial, accuracy, by_area, joined, reliability

NGINX, TLS, WRONG = "proxy.idle-timeout-nginx", "tls.cert-expired", "net.ipv6"


def trial(cause: str, *named: str, **fields: object) -> Trial:
    said = {"named": named, "sure": (0.95,) * len(named), "severe": (True,) * len(named)}
    values = {"kind": "fault", "name": cause, "cause": cause, "seconds": 10.0, **said, **fields}
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
        (trial("", WRONG, severe=(False,)), True, True),
        (trial(NGINX, problem="nginx is not installed"), False, False),
    ],
    ids=["first", "third", "fourth", "nothing", "healthy", "false alarm", "a warning only", "not run"],
)
def test_a_trial(one: Trial, first: bool, among_three: bool) -> None:
    assert (one.first, one.among_three) == (first, among_three)


@pytest.mark.parametrize(
    ("named", "complete"),
    [((NGINX, TLS), True), ((TLS, NGINX), True), ((NGINX,), False), ((NGINX, TLS, WRONG), False), ((), False)],
    ids=["both", "in another order", "one only", "one invented", "nothing"],
)
def test_faults_planted_together(named: tuple[str, ...], complete: bool) -> None:
    one = trial(NGINX, *named, kind="together", name="a+b", also=(TLS,))
    assert one.complete is one.right is complete
    document = accuracy([one])["together"]
    assert (document["all_named"], document["nothing_invented"]) == (int({NGINX, TLS} <= set(named)), int(set(named) <= {NGINX, TLS}))
    assert document["missed"] == ({} if complete else {"a+b": list(named)})


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
    trials = [
        trial(NGINX, WRONG),
        trial("", name="stack.a", kind="healthy"),
        trial("", WRONG, name="stack.a", kind="healthy", round=2),
        trial("", WRONG, name="stack.b", kind="healthy", severe=(False,)),
        trial(TLS, TLS, kind="artifact", name="L1", sure=(0.6,)),
    ]
    document = accuracy(trials)
    assert document["schema"] == SCHEMA
    assert document["fault"]["all"] == {"trials": 1, "first": 0, "among_three": 0, "median_s": 10.0}
    assert document["fault"]["missed"] == {NGINX: [WRONG]}
    healthy = {"trials": 3, "stacks": 2, "false_alarms": 1, "warned": {"stack.b": [WRONG]}, "missed": {"stack.a 2": [WRONG]}, "not_run": {}}
    assert document["healthy"] == healthy
    assert document["artifact"]["areas"]["tls"]["first"] == 1
    assert sum(one["said"] for one in document["reliability"]) == 3
    assert "together" not in document and accuracy([])["trials"] == []


def test_what_is_tried_again_replaces_what_came_of_it_before() -> None:
    before = [trial(NGINX, WRONG), trial(TLS, TLS), trial("", name="stack.a", kind="healthy")]
    now = [trial(NGINX, NGINX), trial("", name="stack.a", kind="healthy", round=2)]
    assert joined(before, now) == [now[0], before[1], before[2], now[1]]
