"""One sentence for each kind of observation: what was seen, with numbers and units, never what it means.

Knows the facts types and nothing of rules, notebooks or HTML. Texts of peers are cut and made printable, not escaped.
"""

from collections.abc import Callable
from typing import Any

from wsbook import facts as f
from wsbook.observation import Observation, Outcome
from wsbook.words import cap, duration_text, quantity, size_text

__all__ = ["describe", "describe_facts", "outcome_text"]


def outcome_text(facts: f.UpgradeFacts) -> str:
    """Return how a handshake ended: ``101 accepted``, ``400 refused``, ``101 not valid: accept``, ``no HTTP answer``."""
    if facts.accepted:
        return f"{facts.status or 101} accepted"
    if facts.status is None:
        return f"proxy answered {facts.proxy_status}" if facts.proxy_status else "no HTTP answer"
    bad = [check.name for check in facts.checks if not check.ok]
    return f"{facts.status} not valid: {', '.join(bad)}" if facts.status == 101 else f"{facts.status} refused"


def _upgrade(facts: f.UpgradeFacts) -> str:
    server = facts.header("server")
    parts = [outcome_text(facts), f"by {server}" if server else "", facts.error_text]
    return " ".join(part for part in parts if part)


def _session(facts: f.SessionFacts) -> str:
    code = f" with {facts.close_code}" if facts.close_code is not None else ""
    who = f" by {facts.closed_by}" if facts.closed_by else ""
    age = f" after {duration_text(facts.age_s)}" if facts.age_s is not None else ""
    return f"{quantity(facts.frame_count, 'frame')}, ended: {facts.ended}{code}{who}{age}"


def _echo(facts: f.EchoFacts) -> str:
    good = sum(trial.ok for trial in facts.trials)
    words = {None: "nothing came back", True: "echoes", False: "does not echo"}[facts.echoes]
    return f"{words}, {good} of {len(facts.trials)} messages unharmed, {len(facts.ping_rtts_s)} of {facts.pings_sent} pings answered"


def _dialect(facts: f.DialectFacts) -> str:
    spoken = {None: "nothing answered", True: "spoken", False: "not spoken"}[facts.spoken]
    versions = f" {', '.join(facts.versions)}" if facts.versions else ""
    bad = next((step for step in facts.steps if step.ok is False), None)
    failed = f"; {bad.name}: {bad.detail}" if bad else ""
    pairs = f", {facts.pairs_lost} of {facts.pairs} sessions lost" if facts.pairs else ""
    return f"{facts.dialect}{versions} {spoken} ({facts.why}){pairs}{failed}"


def _framing(facts: f.FramingFacts) -> str:
    good = sum(trial.ok is True for trial in facts.trials)
    ended = f"; {facts.ended_by} ended the connection" if facts.ended_by else ""
    return f"{good} of {quantity(len(facts.trials), 'unusual frame sequence')} handled{ended}"


def _size(facts: f.SizeFacts) -> str:
    taken = f"messages up to {size_text(facts.accepted_bytes)} taken" if facts.accepted_bytes else "no message taken"
    if facts.refused_bytes is None:
        return taken
    code = f" with {facts.close_code}" if facts.close_code is not None else ""
    return f"{taken}, one of {facts.refused_bytes} B refused ({facts.how}{code})"


def _compression(facts: f.CompressionFacts) -> str:
    stream = facts.compressed
    payload, wire = stream.sent_bytes + stream.received_bytes, stream.sent_wire_bytes + stream.received_wire_bytes
    plain = facts.plain.ended if facts.plain else "not opened"
    gain = f"{size_text(payload)} of payload took {size_text(wire)}" if payload else "no messages"
    return f"{stream.agreed or 'no compression'}: {stream.ended}, {gain}; without extensions: {plain}"


def _tls(facts: f.TlsFacts) -> str:
    checked = f"verify code {facts.verify_code}: {facts.verify_message or 'accepted'}"
    return f"{facts.version or 'no TLS'}, {facts.subject or 'no certificate'}, {checked}"


def _name(facts: f.NameFacts) -> str:
    shown = ", ".join(address for _, address in facts.addresses[:4])
    return f"{facts.host} has {quantity(len(facts.addresses), 'address', 'addresses')}: {shown or 'none'}"


def _port(facts: f.PortFacts) -> str:
    took = f" in {duration_text(facts.rtt_s)}" if facts.rtt_s is not None else ""
    return f"{facts.address} port {facts.port} {facts.state}{took}" + (f" ({facts.how})" if facts.how else "")


def _proxies(facts: f.ProxyVariablesFacts) -> str:
    return f"{quantity(len(facts.variables), 'proxy variable')} set, {'used' if facts.applies else 'not used'} for this URL"


def _forward_proxy(facts: f.ForwardProxyFacts) -> str:
    if not facts.reached:
        return f"forward proxy {facts.proxy} ({facts.source}): {facts.detail}"
    answers = [f"CONNECT {one.target} {one.status if one.status is not None else one.outcome}" for one in facts.tunnels]
    return f"forward proxy {facts.proxy} ({facts.source}): {', '.join(answers)}"


def _packets(facts: f.PacketFacts) -> str:
    silent = [trial for trial in facts.trials if trial.outcome in ("stalled", "lost")]
    passed = max((trial.size_bytes for trial in facts.trials if trial.outcome == "answered"), default=0)
    least = min((trial.size_bytes for trial in silent), default=0)
    lost = f", from {least} B on no answer" if silent else ""
    return f"{quantity(len(facts.trials), 'packet size')} tried, answered up to {passed} B{lost}"


def _endpoint(facts: f.EndpointFacts) -> str:
    verb = "dials" if facts.side == "frontend" else "offers"
    return f"{facts.side} ({facts.library}) {verb} {facts.url or facts.path or facts.expression}"


def _forward(facts: f.ForwardFacts) -> str:
    return f"{facts.product} passes {facts.prefix} to {facts.upstream}"


def _pattern(facts: f.PatternFacts) -> str:
    return f"{'guarded' if facts.ok else 'found'}: {facts.pattern}: {facts.excerpt}"


def _suspicion(facts: f.SuspicionFacts) -> str:
    first = ", ".join(one.excerpt for one in facts.suspicions[:3])
    return f"{quantity(len(facts.suspicions), 'setting')} of {facts.file} could matter: {first}"


def _signature(facts: f.SignatureFacts) -> str:
    return f"{facts.program} printed {quantity(facts.count, 'time')}: {facts.text}"


def _access(facts: f.AccessFacts) -> str:
    asked = {None: "", True: ", upgrade asked", False: ", no upgrade asked"}[facts.upgrade]
    return f"{quantity(facts.count, 'request')} {facts.method} {facts.path} answered {facts.status}{asked}"


def _text(facts: f.TextFacts) -> str:
    kind = facts.program or facts.kind
    entries = f"{quantity(facts.items, 'entry', 'entries')} in {size_text(facts.size_bytes)}"
    skimmed = f", {facts.skimmed:,} only counted" if facts.skimmed else ""
    return f"{kind}: {entries}, {quantity(facts.unparsed, 'line')} not understood{skimmed}"


def _closings(facts: f.ClosingsFacts) -> str:
    ages = sum(age is not None for age in facts.ages_s)
    return f"{quantity(len(facts.times), 'connection')} closed, the age of {ages} is known"


def _copies(facts: f.CopiesFacts) -> str:
    return (
        f"{facts.by_sources + facts.by_one} of {quantity(facts.told, 'delivery', 'deliveries')} told up to {facts.most} times: {facts.text}"
    )


def _numbers(facts: f.NumbersFacts) -> str:
    missing = facts.missing + facts.missing_renewed
    return f"{quantity(facts.arrivals, 'arrival')} by number: {missing} missing, {facts.repeated} repeated, {facts.late} late"


def _template(facts: f.TemplateFacts) -> str:
    return f"{quantity(facts.count, 'line')} like: {facts.template}"


def _logged_attempt(facts: f.LoggedAttemptFacts) -> str:
    ours = facts.status or "no HTTP answer"
    if facts.line is None:
        return f"our attempt {facts.mark}, answered {ours}, is not in this log"
    return f"our attempt {facts.mark}, answered {ours}: logged as {facts.line.status}"


def _marked_line(facts: f.MarkedLineFacts) -> str:
    took = f" after {duration_text(facts.duration_s)}" if facts.duration_s is not None else ""
    return f"our attempt {facts.mark} was logged: {facts.path} answered {facts.status}{took}"


def _route(facts: f.RouteFacts) -> str:
    def said(setting: f.Setting | None) -> str:
        return "not known" if setting is None or setting.value is None else setting.value

    return (
        f"{facts.product} {facts.matcher or 'every path'} to {facts.upstream or 'nowhere'}: "
        f"Upgrade {said(facts.upgrade)}, Connection {said(facts.connection)}, idle limit {said(facts.idle_s)} s"
    )


_TRAFFIC = {
    "none": "of silence",
    "client": "with our messages",
    "listen": "with its messages",
    "server": "in which it spoke by itself",
    "ping": "with our pings",
    "pong": "with our pongs",
}


def _idle(facts: f.IdleFacts) -> str:
    quiet = _TRAFFIC.get(facts.traffic, facts.traffic)
    if facts.survived:
        return f"survived {duration_text(facts.silence_s)} {quiet}"
    code = f" with {facts.close_code}" if facts.close_code is not None else ""
    return f"died after {duration_text(facts.lived_s)} {quiet}: {facts.ended}{code}"


def _heartbeat(facts: f.HeartbeatFacts) -> str:
    words = "no heartbeat came" if not facts.kind else f"{quantity(facts.beats, 'heartbeat')} ({facts.kind})"
    every_s = facts.interval_s or facts.announced_s
    every = f", one in {duration_text(every_s)}" if every_s else ""
    if facts.answered:
        return f"{words}{every} in {duration_text(facts.age_s)}"
    code = f" with {facts.close_code}" if facts.close_code is not None else ""
    end = f"ended after {duration_text(facts.patience_s)}: {facts.ended}{code}" if facts.patience_s is not None else "was kept"
    return f"{words}{every}; unanswered, the connection {end if facts.kind else facts.ended} in {duration_text(facts.age_s)}"


def _half_open(facts: f.HalfOpenFacts) -> str:
    said = f", it sent something up to {duration_text(facts.last_heard_s)}" if facts.last_heard_s is not None else ""
    if facts.noticed_s is None:
        return f"dead without a word: the server keeps its side for {duration_text(facts.watched_s)}{said}"
    return f"dead without a word: the server lets go after {duration_text(facts.noticed_s)}{said}"


def _affinity(facts: f.AffinityFacts) -> str:
    plain = [visit for visit in facts.visits if visit.series == "plain"]
    names = sorted({visit.instance for visit in plain if visit.instance})
    told = f"instances {', '.join(names[:6])} by {facts.known_by}" if names else "nothing tells which instance answered"
    lost = sum(talk.lost for talk in facts.conversations)
    asked = sum(talk.requests for talk in facts.conversations)
    talks = f", {lost} of {asked} requests of {quantity(len(facts.conversations), 'session')} lost" if facts.conversations else ""
    return f"{sum(visit.accepted for visit in plain)} of {quantity(len(plain), 'connection')} opened, {told}{talks}"


def _broadcast(facts: f.BroadcastFacts) -> str:
    missing = sum(1 for subscriber in facts.subscribers if subscriber.missed)
    instances = {s.instance for s in facts.subscribers if s.instance}
    seen = quantity(len(instances), "instance")
    return f"{missing} of {len(facts.subscribers)} subscribers missed some of {facts.messages} messages, {seen} seen"


def _trace(facts: f.TraceFacts) -> str:
    seen = [place for place in facts.places if place.at_s is not None]
    last = f", {duration_text(seen[-1].at_s)} to {seen[-1].name}" if seen else ""
    return f"marker seen at {len(seen)} of {len(facts.places)} places{last}"


def _burst(facts: f.BurstFacts) -> str:
    least = min((place.received for place in facts.places), default=0)
    return f"{facts.sent} events in {duration_text(facts.took_s)}, of which every place saw at least {least}"


def _clock(facts: f.ClockFacts) -> str:
    return f"the clock of {facts.place} is {facts.offset_s * 1000:+.1f} ms from ours, \u00b1 {facts.error_s * 1000:.1f} ms"


def _load(facts: f.LoadFacts) -> str:
    sent, lost = sum(run.sent for run in facts.runs), sum(run.lost for run in facts.runs)
    void = f"; void: {facts.void}" if facts.void else ""
    return f"{sent:,} messages at up to {max((run.rate for run in facts.runs), default=0):g} a second, {lost:,} lost{void}"


def _page_load(facts: f.PageLoadFacts) -> str:
    frames, shown = sum(one.frames for one in facts.moments), sum(one.shown for one in facts.moments)
    return f"{facts.browser}: {frames:,} messages at {facts.rate:g} a second reached the page, which showed {shown:,}"


def _page(facts: f.PageFacts) -> str:
    counts = f"{quantity(facts.sockets, 'socket')}, {quantity(len(facts.console), 'console line')}"
    return f"{facts.browser}: page {facts.status or 'did not load'}, {counts}"


def _recording(facts: f.RecordingFacts) -> str:
    lasted = f" over {duration_text(facts.last_s - facts.first_s)}" if facts.first_s is not None and facts.last_s is not None else ""
    sockets = f"{quantity(facts.sockets, 'WebSocket')} among {quantity(facts.entries, 'request')}{lasted}"
    beside = "".join(f", {quantity(one.count, 'request')} to {one.url}" for one in facts.companions[:2])
    return f"{facts.program or 'a recording'}: {sockets}{beside}"


def _cookies(facts: f.CookieFacts) -> str:
    sent = [cookie.name for cookie in facts.cookies if cookie.sent]
    kept = [f"{cookie.name} ({'; '.join(cookie.held_back)})" for cookie in facts.held_back]
    other = len(facts.cookies) - len(sent) - len(kept)
    held = f"{len(kept)} held back{': ' + ', '.join(kept) if kept else ''}"
    return f"{quantity(len(sent), 'cookie')} sent, {held}{f', {other} for other hosts or paths' if other else ''}"


def _cycles(facts: f.CycleFacts) -> str:
    names = ", ".join(f"{one.name} at {one.place}" for one in facts.servers) or f"no server watched ({facts.blind})"
    gone = facts.closed + facts.hung_up + facts.broken
    return f"{quantity(gone, 'connection')} came and went, up to {facts.at_once} together; {names}"


def _pulses(facts: f.PulseFacts) -> str:
    sent = sum(len(one.sent_s) for one in facts.connections)
    answered = sum(at is not None for one in facts.connections for at in one.answered_s)
    return f"{answered} of {sent} pings answered on {quantity(len(facts.connections), 'quiet connection')}"


def _crowd(facts: f.CrowdFacts) -> str:
    late = [took for one in facts.neighbours for took in one.during if took is not None]
    worst = f", the latest after {duration_text(max(late))}" if late else ""
    missed = sum(took is None for one in facts.neighbours for took in one.during)
    return f"beside one that {facts.kind}, {len(late)} messages reached the others{worst}, {missed} did not"


def _symptom(facts: f.SymptomFacts) -> str:
    return f"told: {facts.text}"


def _inquiry(facts: f.InquiryFacts) -> str:
    order = ", ".join(look.step for look in facts.looks) or "nothing"
    return f"looked at {order}" + (f" and stopped: {facts.sure} is sure" if facts.sure else "; no cause was sure")


def _tls_scan(facts: f.TlsScanFacts) -> str:
    words = {True: "accepted", False: "refused", None: "cannot be offered from here"}
    asked = {True: ", asks for a client certificate", False: ", asks for no client certificate", None: ""}[facts.client_certificate]
    return f"{', '.join(f'{trial.version} {words[trial.accepted]}' for trial in facts.versions) or 'no version tried'}{asked}"


def _http2(facts: f.Http2Facts) -> str:
    if not facts.spoken:
        return "HTTP/2 is not spoken here"
    said = {True: "announces extended CONNECT", False: "does not announce extended CONNECT", None: "sent no settings"}
    answered = f", answered {facts.status} to it" if facts.status is not None else f", ended it: {facts.ended}" if facts.ended else ""
    return f"HTTP/2 {said[facts.extended_connect]}{answered}"


def _redirects(facts: f.RedirectFacts) -> str:
    status = f" with {facts.final_status}" if facts.final_status is not None else ""
    return f"{quantity(len(facts.hops), 'redirect')} to {facts.final_url}, {facts.ended}{status}"


def _words(facts: f.WordsFacts) -> str:
    return f"its words speak for {', '.join(slug for slug, _ in facts.causes[:3])}"


def _credentials(facts: f.CredentialFacts) -> str:
    return f"given: {', '.join(f'{one.name} ({one.place})' for one in facts.credentials) or 'no credential'}"


def _cors(facts: f.CorsFacts) -> str:
    kept = [one for one in facts.trials if one.whose == "own" and one.refused]
    words = f"kept from the page: {kept[0].refused}" if kept else "open to the page"
    return f"requests of {facts.dialect} beside the socket, {quantity(len(facts.trials), 'trial')}: {words}"


_SENTENCES: dict[type, Callable[[Any], str]] = {
    f.UpgradeFacts: _upgrade,
    f.SessionFacts: _session,
    f.EchoFacts: _echo,
    f.DialectFacts: _dialect,
    f.FramingFacts: _framing,
    f.SizeFacts: _size,
    f.CompressionFacts: _compression,
    f.TlsFacts: _tls,
    f.NameFacts: _name,
    f.PortFacts: _port,
    f.ProxyVariablesFacts: _proxies,
    f.ForwardProxyFacts: _forward_proxy,
    f.PacketFacts: _packets,
    f.EndpointFacts: _endpoint,
    f.ForwardFacts: _forward,
    f.PatternFacts: _pattern,
    f.SuspicionFacts: _suspicion,
    f.SignatureFacts: _signature,
    f.AccessFacts: _access,
    f.TextFacts: _text,
    f.ClosingsFacts: _closings,
    f.CopiesFacts: _copies,
    f.NumbersFacts: _numbers,
    f.TemplateFacts: _template,
    f.MarkedLineFacts: _marked_line,
    f.LoggedAttemptFacts: _logged_attempt,
    f.RouteFacts: _route,
    f.IdleFacts: _idle,
    f.HeartbeatFacts: _heartbeat,
    f.HalfOpenFacts: _half_open,
    f.AffinityFacts: _affinity,
    f.BroadcastFacts: _broadcast,
    f.CycleFacts: _cycles,
    f.PulseFacts: _pulses,
    f.CrowdFacts: _crowd,
    f.TraceFacts: _trace,
    f.BurstFacts: _burst,
    f.ClockFacts: _clock,
    f.LoadFacts: _load,
    f.PageLoadFacts: _page_load,
    f.PageFacts: _page,
    f.RecordingFacts: _recording,
    f.CookieFacts: _cookies,
    f.SymptomFacts: _symptom,
    f.WordsFacts: _words,
    f.InquiryFacts: _inquiry,
    f.TlsScanFacts: _tls_scan,
    f.Http2Facts: _http2,
    f.RedirectFacts: _redirects,
    f.CredentialFacts: _credentials,
    f.CorsFacts: _cors,
}


def describe_facts(facts: f.Facts) -> str:
    """Return what the facts say, uncut: one sentence with numbers and units; the facts' tag for a type it does not know."""
    sentence = _SENTENCES.get(type(facts))
    return sentence(facts) if sentence else str(type(facts).__struct_config__.tag)


def describe(seen: Observation, limit: int = 200) -> str:
    """Return what was seen, or why nothing was, on one line of at most limit characters."""
    words = describe_facts(seen.facts) if seen.facts is not None else ""
    if seen.failure:
        place = f"{seen.failure.stage}: " if seen.failure.stage and seen.outcome is Outcome.FAILED else ""
        words = f"{place}{seen.failure.message}" + (f" ({words})" if words else "")
    return cap(words or seen.outcome.value, limit)
