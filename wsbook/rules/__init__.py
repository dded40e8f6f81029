"""Pure judgement: observations in, findings out; one module per area of the catalogue."""

from collections.abc import Callable, Iterable

from msgspec.structs import replace

from wsbook.causes import explains
from wsbook.evidence import Evidence
from wsbook.facts import SymptomFacts
from wsbook.finding import Finding, StepVerdict, Verdict, rank
from wsbook.rules.access import judge_access
from wsbook.rules.addresses import judge_addresses
from wsbook.rules.ages import judge_ages
from wsbook.rules.answers import judge_answers
from wsbook.rules.asked import judge_asked
from wsbook.rules.beats_in_code import judge_beats_in_code
from wsbook.rules.broadcast import judge_broadcasts
from wsbook.rules.browser import judge_browser
from wsbook.rules.cluster import judge_cluster
from wsbook.rules.compared import judge_compared
from wsbook.rules.copies import judge_copies
from wsbook.rules.cors import judge_cors
from wsbook.rules.credentials import judge_credentials
from wsbook.rules.crowding import judge_crowds
from wsbook.rules.dialects import judge_dialects
from wsbook.rules.endpoint import judge_endpoint
from wsbook.rules.expired import judge_expired
from wsbook.rules.forward_proxy import judge_forward_proxy
from wsbook.rules.forwards import judge_forwards
from wsbook.rules.growth import judge_growth
from wsbook.rules.handshake import judge_handshake
from wsbook.rules.hang_ups import judge_hang_ups
from wsbook.rules.heartbeat import judge_heartbeat
from wsbook.rules.hop_traces import judge_traces
from wsbook.rules.hops import judge_hops
from wsbook.rules.idle import judge_idle
from wsbook.rules.independent import independent_of
from wsbook.rules.interception import judge_interception
from wsbook.rules.listener import judge_listener
from wsbook.rules.logged import judge_logged
from wsbook.rules.make import complete
from wsbook.rules.measured import with_measurements
from wsbook.rules.messages import judge_compression, judge_framing, judge_sizes
from wsbook.rules.near_paths import judge_near_paths
from wsbook.rules.network import judge_network
from wsbook.rules.numbers import judge_numbers
from wsbook.rules.origin import judge_origin
from wsbook.rules.outcome import baseline
from wsbook.rules.pace import judge_pace
from wsbook.rules.packets import judge_packets
from wsbook.rules.page_load import judge_page_load
from wsbook.rules.plain import judge_plain
from wsbook.rules.ports import judge_ports
from wsbook.rules.possible import judge_possible
from wsbook.rules.producers import judge_producers
from wsbook.rules.reasons import judge_reasons
from wsbook.rules.reconnect import judge_reconnect
from wsbook.rules.recordings import judge_recordings
from wsbook.rules.refusal import judge_refusal
from wsbook.rules.rehearsed import with_rehearsals
from wsbook.rules.repeated import judge_difference, judge_repeated
from wsbook.rules.request import judge_request
from wsbook.rules.restarts import judge_restarts
from wsbook.rules.routes import judge_routes
from wsbook.rules.sessions import judge_sessions
from wsbook.rules.stalls import judge_stalls
from wsbook.rules.texts import judge_texts
from wsbook.rules.tls import judge_tls
from wsbook.rules.together import judge_together
from wsbook.rules.told import is_shown, judge_refusals, judge_words, weigh_told
from wsbook.rules.tolerance import judge_tolerance
from wsbook.rules.trace import judge_trace
from wsbook.rules.traffic import judge_traffic
from wsbook.rules.twice import judge_twice
from wsbook.rules.unanswered import judge_unanswered
from wsbook.rules.upstreams import judge_upstreams
from wsbook.rules.verdicts import judge_steps
from wsbook.rules.volume import judge_volume

__all__ = ["RULES", "judge"]

RULES: tuple[Callable[[Evidence], Iterable[Finding]], ...] = (
    judge_network,
    judge_ports,
    judge_addresses,
    judge_forward_proxy,
    judge_interception,
    judge_packets,
    judge_plain,
    judge_tls,
    judge_listener,
    judge_hang_ups,
    judge_handshake,
    judge_answers,
    judge_reasons,
    judge_tolerance,
    judge_endpoint,
    judge_near_paths,
    judge_dialects,
    judge_forwards,
    judge_hops,
    judge_traces,
    judge_request,
    judge_routes,
    judge_upstreams,
    judge_origin,
    judge_cors,
    judge_credentials,
    judge_sessions,
    judge_traffic,
    judge_recordings,
    judge_sizes,
    judge_framing,
    judge_compression,
    judge_compared,
    judge_unanswered,
    judge_idle,
    judge_ages,
    judge_heartbeat,
    judge_beats_in_code,
    judge_restarts,
    judge_cluster,
    judge_broadcasts,
    judge_trace,
    judge_volume,
    judge_page_load,
    judge_stalls,
    judge_crowds,
    judge_growth,
    judge_twice,
    judge_access,
    judge_logged,
    judge_texts,
    judge_together,
    judge_asked,
    judge_copies,
    judge_numbers,
    judge_pace,
    judge_expired,
    judge_browser,
    judge_reconnect,
    judge_producers,
    judge_repeated,
    judge_difference,
)
"""Every rule that asks the evidence alone; the order does not matter."""


def _nobody_complains(evidence: Evidence) -> bool:
    """Whether the endpoint accepts upgrades and no symptom was told: then what is merely possible is the cause of nothing."""
    tried = baseline(evidence)
    return tried is not None and tried[1].accepted and evidence.first(SymptomFacts) is None


def _repeat(finding: Finding, commands: dict[str, str]) -> str:
    """Return the command that repeats the first attempt that a fault rests on."""
    if finding.verdict is not Verdict.FAULT:
        return ""
    return next((commands[proof.observation] for proof in finding.evidence if commands.get(proof.observation)), "")


def judge(evidence: Evidence) -> tuple[tuple[Finding, ...], tuple[StepVerdict, ...]]:
    """Return the findings, root causes first, and the verdict of each of the twelve steps."""
    seen = [finding for rule in RULES for finding in rule(evidence)]
    seen += () if is_shown(seen) else judge_refusal(evidence)
    found = list(with_measurements(evidence, with_rehearsals(evidence, seen)))
    found += judge_refusals(evidence, found)
    found += judge_possible(evidence, found)
    found += judge_words(evidence, found)
    ranked = rank(weigh_told(evidence, found), explains(), independent_of(evidence))
    if _nobody_complains(evidence):
        ranked = tuple(replace(finding, root=finding.root and finding.verdict is not Verdict.UNKNOWN) for finding in ranked)
    repeated = {seen.id: dict(facts.commands).get("curl", "") for seen, facts in evidence.upgrades if seen.id}
    findings = tuple(complete(finding, evidence.target.url, _repeat(finding, repeated)) for finding in ranked)
    return findings, judge_steps(evidence, findings)
