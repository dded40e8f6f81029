"""May a foreign page open the socket as the visitor (cross-site WebSocket hijacking), or one whose name only resembles the own (step 3.3)?

A browser adds cookies to the socket of any page, and no page can add a token that it does not know. So three things decide together:
whether a foreign Origin gets in, whether it does with what a browser adds by itself, and whether anybody gets in without.
"""

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from wsbook import attempt as labels
from wsbook.evidence import Evidence
from wsbook.facts import CookieFacts, Credential, CredentialFacts
from wsbook.finding import Finding, Proof, Severity, Verdict
from wsbook.rules.entry import Entry, Kind, entry_of, same_visitor
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.wire.credentials import cookie_names

__all__ = ["judge_hijack", "judge_hijack_inside"]

_SLUG = "origin.not-checked"
_GAPS = {
    labels.SUFFIXED_ORIGIN: ("its beginning alone is compared", r"an expression that ends with $, or the whole text"),
    labels.PREFIXED_ORIGIN: ("its end alone is compared", r"the host, or a dot before the domain"),
    labels.OTHER_LETTER_ORIGIN: ("a dot of the pattern stands for any letter", r"\. for each dot"),
}
"""Look-alike that gets in where a foreign one does not → (what is wrong with the comparison, what it needs)."""
_BASES = (labels.THE_ENDPOINTS_HOST, labels.OFFERED_PATH)
"""How a place is asked that accepts only so."""
_INSIDE = 0.9
"""How sure what is seen inside tells of what the endpoint will do once it is mended: a proxy may have a check of its own."""
_REMEDY = """Compare Origin as a whole with an exact list during the handshake:
  {origin}
In a regular expression, write {needs}."""


class _Given(Struct, frozen=True):
    """What was given to prove oneself with: what a browser adds by itself, may add, and does not."""

    ambient: tuple[Credential, ...]
    maybe: tuple[Credential, ...]
    secret: tuple[Credential, ...]

    @property
    def any(self) -> bool:
        return bool(self.ambient or self.maybe or self.secret)


def _given(evidence: Evidence) -> _Given:
    facts = [facts for _, facts in evidence.of(CredentialFacts)]
    if facts:
        every = facts[-1].credentials
    else:
        headers = evidence.target.headers
        every = tuple(Credential(place="header", name=f"Cookie {name}", ambient=True) for name in cookie_names(headers))
        every = every or tuple(Credential(place="header", name="Cookie", ambient=True) for name, _ in headers if name.lower() == "cookie")
        every += tuple(Credential(place="header", name=name) for name, _ in headers if name.lower() == "authorization")
    kinds = [tuple(one for one in every if one.ambient is kind) for kind in (True, None, False)]
    return _Given(*kinds)


class _Trials(Struct, frozen=True):
    """The attempts at one place by their changes."""

    own: Entry
    again: Entry | None
    by: dict[tuple[str, ...], Entry]

    def get(self, origin: str, credentials: str = "") -> Entry | None:
        """Return the attempt with an origin's label ("" the own one) and a label of credentials ("" all of them)."""
        wanted = {label for label in (origin, credentials) if label}
        return next((entry for changed, entry in self.by.items() if set(changed) == wanted), None)

    def as_visitor(self, entry: Entry | None) -> bool:
        """Whether an attempt gets in, and is not greeted as somebody else than the page's own."""
        if entry is None or not entry.opened:
            return False
        return self.again is None or same_visitor(entry.facts, self.own.facts, self.again.facts) is not False


def _trials(evidence: Evidence, own: Entry, again: Entry | None) -> _Trials:
    tried = [(seen, facts) for seen, facts in evidence.upgrades if seen.source.hop == "endpoint" and seen.source.probe == "upgrade"]
    return _Trials(own, again, {seen.source.changed: entry_of((seen, facts)) for seen, facts in tried if seen.source.changed})


def judge_hijack(evidence: Evidence, own: Entry, again: Entry | None) -> Iterator[Finding]:
    """Judge who else gets in where the page's own Origin does."""
    trials, given = _trials(evidence, own, again), _given(evidence)
    foreign = trials.get(labels.FOREIGN_ORIGIN)
    if foreign is None or foreign.kind in (Kind.NOTHING, Kind.BUSY):
        if foreign is not None:
            yield unknown(
                _SLUG, 0.1, f"a foreign Origin is {foreign.words}, which tells nothing of Origin", proof(foreign.seen, foreign.words)
            )
        return
    if trials.as_visitor(foreign):
        yield _judge_foreign(evidence, trials, given, foreign)
        return
    yield clear(_SLUG, f"a foreign Origin is refused: {foreign.words}", proof(foreign.seen, foreign.words))
    yield from _judge_look_alikes(evidence, trials, given, foreign)
    yield from _judge_weaker(trials, given, foreign)


def _ambient_pair(trials: _Trials, given: _Given, origin: str) -> tuple[Entry | None, Entry | None]:
    """Return (the attempt with what a browser adds by itself, the same without anything)."""
    with_all = trials.get(origin) if origin else trials.own
    reduced = trials.get(origin, labels.ONLY_AMBIENT) if given.secret else None
    return reduced or (None if given.secret else with_all), trials.get(origin, labels.NO_CREDENTIALS)


def judge_hijack_inside(evidence: Evidence) -> Iterator[Finding]:
    """Judge whether foreign pages get in at a hop, or at a path that the backend offers, while the endpoint lets nobody in."""
    for name in (*(hop.name for hop in evidence.target.hops), "endpoint"):
        for base in ((), *((label,) for label in _BASES)):
            by = _tried_at(evidence, name, base)
            own, foreign = by.get(()), by.get((labels.FOREIGN_ORIGIN,))
            if own is None or foreign is None or not own.opened or not foreign.opened:
                continue
            found = _judge_foreign(evidence, _Trials(own, None, by), _given(evidence), foreign)
            if found.verdict is Verdict.FAULT:
                where = f"{name}, asked for {own.facts.url.partition('?')[0]}"
                yield replace(found, confidence=round(_INSIDE * found.confidence, 3), summary=f"at {where}: {found.summary}")
                return


def _tried_at(evidence: Evidence, name: str, base: tuple[str, ...]) -> dict[tuple[str, ...], Entry]:
    """Return the attempts at a place that have exactly these of _BASES, by their other changes."""
    tried = [
        ((seen, facts), tuple(label for label in seen.source.changed if label not in _BASES))
        for seen, facts in evidence.upgrades
        if seen.source.hop == name
        and seen.source.probe in ("upgrade", "origin")
        and tuple(label for label in seen.source.changed if label in _BASES) == base
    ]
    return {changed: entry_of(one) for one, changed in tried}


def _matters(trials: _Trials, bare: Entry | None, known: Entry | None = None) -> bool | None:
    """Tell whether one gets in without credentials as one does with them; None when that was not tried.

    known: an attempt with them. Where it is greeted as the page's own is, silence towards the other is a difference.
    """
    if bare is None or bare.kind in (Kind.NOTHING, Kind.BUSY):
        return None
    greeted = known is not None and trials.again is not None and same_visitor(known.facts, trials.own.facts, trials.again.facts)
    return not trials.as_visitor(bare) or bool(greeted and bare.facts.first_message is None)


def _judge_foreign(evidence: Evidence, trials: _Trials, given: _Given, foreign: Entry) -> Finding:
    evident = [proof(foreign.seen, f"{labels.FOREIGN_ORIGIN}: {foreign.words}")]
    if not given.any:
        anonymous = trials.get(labels.NO_ORIGIN)
        evident += [proof(anonymous.seen, f"{labels.NO_ORIGIN}: {anonymous.words}")] if anonymous else []
        words = "a foreign Origin is accepted, as is right for what everybody may see"
        words += "; give the session's cookie as a header to learn whether it opens a user's socket"
        return _aside(unknown(_SLUG, 0.2, words, *evident))
    with_cookie, bare = _ambient_pair(trials, given, labels.FOREIGN_ORIGIN)
    bare = bare or trials.get("", labels.NO_CREDENTIALS)
    matters = _matters(trials, bare, with_cookie or foreign)
    evident += [proof(bare.seen, f"{'; '.join(bare.seen.source.changed)}: {bare.words}")] if bare else []
    if given.ambient and with_cookie is not None and trials.as_visitor(with_cookie) and matters:
        return _judge_proven(evidence, given, evident, with_cookie)
    names = ", ".join(one.name for one in (*given.secret, *given.maybe, *given.ambient)[:3])
    if matters is False:
        words = f"a foreign Origin is accepted, and so is everybody without {names}: the handshake knows no users"
        return _aside(unknown(_SLUG, 0.15, words, *evident))
    if matters is None:
        return unknown(_SLUG, 0.3, f"a foreign Origin is accepted with {names}; without, nothing was seen", *evident)
    if given.ambient and with_cookie is None:
        return unknown(_SLUG, 0.3, f"a foreign Origin is accepted with {names}; whether the cookie alone is enough was not seen", *evident)
    if given.maybe:
        words = f"a foreign Origin is accepted with {names}; browsers that remember this login may send it from any page"
        return unknown(_SLUG, 0.4, words, *evident)
    return clear(_SLUG, f"a foreign Origin is accepted only with {names}, which a foreign page does not know and no browser adds", *evident)


def _judge_proven(evidence: Evidence, given: _Given, evident: list[Proof], with_cookie: Entry) -> Finding:
    names = ", ".join(one.name.removeprefix("Cookie ") for one in given.ambient[:3])
    words = f"any web page can open the socket with the visitor's cookies: accepted from a foreign Origin with {names}, and not without"
    kept = _kept_on_site(evidence, {one.name.removeprefix("Cookie ") for one in given.ambient})
    if with_cookie.seen.source.changed != (labels.FOREIGN_ORIGIN,):
        evident = [proof(with_cookie.seen, f"{'; '.join(with_cookie.seen.source.changed)}: {with_cookie.words}"), *evident]
    if kept:
        return unknown(_SLUG, 0.4, f"{words}; but {kept} keeps it to pages of the same site in this browser", *evident)
    return fault(_SLUG, 0.95, words, *evident)


def _kept_on_site(evidence: Evidence, names: set[str]) -> str:
    """Return the SameSite rule that was seen to keep these cookies from sockets of other sites, "" when none was."""
    for _, facts in evidence.of(CookieFacts):
        for cookie in facts.cookies:
            rule = next((rule for rule in cookie.held_back if "SameSite" in rule), "")
            if cookie.name in names and rule:
                return rule[:80]
    return ""


def _aside(finding: Finding) -> Finding:
    return replace(finding, severity=Severity.INFO)


def _judge_look_alikes(evidence: Evidence, trials: _Trials, given: _Given, foreign: Entry) -> Iterator[Finding]:
    """A check is there, and lets in a name that anybody could register."""
    for label, (wrong, needs) in _GAPS.items():
        entry = trials.get(label)
        if not trials.as_visitor(entry) or entry is None:
            continue
        told = entry.facts.request_header("origin") or label
        words = f"a foreign Origin is refused, and {told} is accepted: {wrong}"
        proofs = [proof(entry.seen, f"{told}: {entry.words}"), proof(foreign.seen, f"{labels.FOREIGN_ORIGIN}: {foreign.words}")]
        remedy = _REMEDY.format(origin=evidence.target.expected_origin, needs=needs)
        with_cookie, bare = _ambient_pair(trials, given, label)
        if given.secret and not given.ambient and not given.maybe:
            yield unknown(_SLUG, 0.35, f"{words}; what users are known by is no cookie", *proofs)
        elif _owned(trials, label):
            yield unknown(_SLUG, 0.2, f"{words}, or all sub-domains of the domain above are meant", *proofs)
        elif given.ambient and with_cookie is not None and trials.as_visitor(with_cookie) and _matters(trials, bare, with_cookie):
            yield fault(_SLUG, 0.95, f"{words}, with the visitor's cookie", *proofs, remedy=remedy)
        else:
            yield fault(_SLUG, 0.8, words, *proofs, remedy=remedy)


def _owned(trials: _Trials, label: str) -> bool:
    """Whether a look-alike is a sub-domain of a domain all of whose pages get in, or a name that nobody can register."""
    entry = trials.get(label)
    told = (entry.facts.request_header("origin") or "") if entry else ""
    single = "." not in told.partition("://")[2].partition(":")[0]
    parent = trials.get(labels.PARENT_ORIGIN)
    return label == labels.OTHER_LETTER_ORIGIN and (single or (parent is not None and parent.opened))


def _judge_weaker(trials: _Trials, given: _Given, foreign: Entry) -> Iterator[Finding]:
    """What only a page in special circumstances can send: null from a sandboxed frame, http from somebody on the way."""
    null, scheme = trials.get(labels.NULL_ORIGIN), trials.get(labels.OTHER_SCHEME_ORIGIN)
    secrets_only = bool(given.secret) and not given.ambient
    if null is not None and trials.as_visitor(null) and not secrets_only:
        words = "a foreign Origin is refused, and null is accepted: any page can send that from a sandboxed frame"
        proofs = [proof(null.seen, f"null: {null.words}"), proof(foreign.seen, f"{labels.FOREIGN_ORIGIN}: {foreign.words}")]
        with_cookie, bare = _ambient_pair(trials, given, labels.NULL_ORIGIN)
        if given.ambient and with_cookie is not None and trials.as_visitor(with_cookie) and _matters(trials, bare, with_cookie):
            yield fault(_SLUG, 0.8, words, *proofs, remedy="Take null off the list of origins.")
        else:
            yield unknown(_SLUG, 0.35, words, *proofs)
    told = (scheme.facts.request_header("origin") or "") if scheme is not None else ""
    if scheme is not None and told.startswith("http://") and trials.as_visitor(scheme) and not secrets_only:
        words = f"{told} is accepted beside https: whoever can change a plain page on its way may open the socket from it"
        yield _aside(unknown(_SLUG, 0.2, words, proof(scheme.seen, f"{told}: {scheme.words}")))
