"""The root causes as cards: symptom, cause, proof, fix, check, and what they explain."""

from collections.abc import Sequence

from wsbook import markup
from wsbook.causes import cause, causes
from wsbook.finding import PROVEN, Finding, Proof, Verdict
from wsbook.report.parts import evidence_link, fold, marked, section
from wsbook.report.remedy import check_parts, is_diff, new_lines, remedy_parts
from wsbook.rules.inquiry import rivals
from wsbook.words import quantity

__all__ = ["finding_list", "root_causes"]

_PROOFS = 4


def root_causes(findings: Sequence[Finding], known: frozenset[str]) -> str:
    """Return the section of root causes. known: ids of observations that the page has."""
    roots = [finding for finding in findings if finding.root]
    cards = [_card(root, [f for f in findings if root.cause in f.explained_by], known) for root in roots]
    title = "Root causes" if len(cards) != 1 else "Root cause"
    return section(title, ("".join(cards) or markup.element("p", "No root cause was found.")) + _rivals(roots), "roots")


def _rivals(roots: Sequence[Finding]) -> str:
    """Return which candidates cannot be told apart, each with the test that separates it; "" where one is sure, or alone."""
    close = rivals(roots)
    tests = (markup.element("li", markup.text(f"{one.cause}, {one.confidence:.0%}: {cause(one.cause).test}")) for one in close)
    words = "These cannot be told apart with the evidence at hand. What separates them:"
    return markup.element("p", words) + markup.element("ul", "".join(tests)) if close else ""


def finding_list(findings: Sequence[Finding]) -> str:
    """Return findings as a list, each with what explains it."""
    items = (markup.element("li", marked(f.verdict, f"{f.cause}: {f.summary}") + _explained(f)) for f in findings)
    return markup.element("ul", "".join(items), class_="findings")


def _explained(finding: Finding) -> str:
    links = [markup.element("a", markup.text(slug), href=f"#cause-{slug}") for slug in finding.explained_by]
    return f" explained by {', '.join(links)}" if links else ""


def _card(finding: Finding, consequences: Sequence[Finding], known: frozenset[str]) -> str:
    entry = causes().get(finding.cause)
    proven = finding.verdict is Verdict.FAULT and finding.confidence >= PROVEN
    fields = [
        ("symptom", markup.text(finding.summary)),
        ("cause", markup.text(entry.meaning) if entry else ""),
        ("proof", _proofs(finding.proofs, known)),
        ("fix", _fix(finding.remedy)),
        ("check", _check(finding.check)),
        ("explains", fold(quantity(len(consequences), "other finding"), finding_list(consequences)) if consequences else ""),
        ("see", _reference(finding.reference)),
    ]
    rows = "".join(markup.element("dt", name) + markup.element("dd", value) for name, value in fields if value)
    head = markup.element("h3", marked(finding.verdict, entry.title if entry else finding.cause))
    state = f"{finding.confidence:.0%} sure" if proven else f"candidate, {finding.confidence:.0%} sure"
    step = markup.element("a", f"step {markup.text(finding.step)}", href=f"#step-{finding.step}")
    under = markup.element("p", f"{markup.text(f'{finding.cause} · {state}')} · {step}", class_="soft")
    style = "card" if proven else "card candidate"
    return markup.element("article", head + under + markup.element("dl", rows), class_=style, id=f"cause-{finding.cause}")


def _reference(reference: str) -> str:
    """Return where it is documented; an address of the web is a link, which asks for nothing before it is followed."""
    if reference.startswith("https://") and " " not in reference:
        return markup.element("a", markup.text(reference), href=reference, rel="noreferrer noopener")
    return markup.text(reference)


def _proofs(proofs: Sequence[Proof], known: frozenset[str]) -> str:
    """Return the evidence as a list, each with the way to its observation; what comes after the first few folds away."""
    items = [markup.element("li", f"{markup.text(proof.text)} {_place(proof, known)}") for proof in proofs]
    first, rest = items[:_PROOFS], items[_PROOFS:]
    more = fold(f"{len(rest)} more", markup.element("ul", "".join(rest))) if rest else ""
    return (markup.element("ul", "".join(first)) if first else "") + more


def _place(proof: Proof, known: frozenset[str]) -> str:
    words = proof.where or (f"observation {proof.observation}" if proof.observation in known else "")
    return markup.element("span", evidence_link(proof.observation, words, known), class_="soft") if words else ""


def _fix(remedy: str) -> str:
    return "".join(_snippet(text) if kind == "snippet" else markup.element("p", markup.text(text)) for kind, text in remedy_parts(remedy))


def _snippet(snippet: str) -> str:
    """Return a snippet whose added and removed lines are marked; what the copy button takes stands in an attribute."""
    heads = ("--- ", "+++ ") if is_diff(snippet) else ()
    lines = []
    for line in snippet.splitlines():
        kind = "" if line.startswith(heads) and heads else {"+": "add", "-": "del"}.get(line[:1], "")
        lines.append(markup.element("span", markup.text(line) + "\n", class_=kind) if kind else markup.text(line) + "\n")
    return _copyable(markup.element("pre", "".join(lines), data_copy=new_lines(snippet)))


def _check(check: str) -> str:
    parts = check_parts(check)
    return "".join(
        markup.element("p", markup.text(text)) if kind == "words" else _copyable(markup.element("pre", markup.text(text), data_copy=text))
        for kind, text in parts
    )


def _copyable(block: str) -> str:
    return markup.element("div", block, class_="copyable")
