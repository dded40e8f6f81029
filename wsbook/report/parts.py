"""Small parts that every section of report.html uses: a verdict with its mark, a section, what folds open, a link to an observation."""

from collections.abc import Sequence

from wsbook import markup
from wsbook.describe import describe
from wsbook.finding import Verdict
from wsbook.observation import Observation
from wsbook.words import MARKS, cap, duration_text, instant_text, quantity

__all__ = ["evidence_link", "fold", "marked", "observation_table", "scrolling", "section", "shown_observations", "verdict_class"]

_ROWS = 400


def verdict_class(verdict: Verdict) -> str:
    """Return the style class of a verdict."""
    return verdict.value.replace(" ", "-")


def marked(verdict: Verdict, words: str) -> str:
    """Return words behind the mark of a verdict."""
    mark = markup.element("span", MARKS[verdict], class_="mark", aria_hidden="true")
    return markup.element("span", f"{mark} {markup.text(words)}", class_=verdict_class(verdict))


def section(title: str, content: str, name: str) -> str:
    """Return a part of the page with its heading, which names it for screen readers."""
    head = markup.element("h2", markup.text(title), id=f"{name}-title")
    return markup.element("section", head + content, id=name, class_=name, aria_labelledby=f"{name}-title")


def fold(summary: str, content: str, **values: str) -> str:
    """Return content that folds open below its summary, which is HTML already."""
    inside = markup.element("div", content, class_="inside")
    return markup.element("details", markup.element("summary", summary) + inside, **{"class_": "fold", **values})


def scrolling(content: str, label: str) -> str:
    """Return what may be wider than the screen in a box that scrolls by itself, with the keyboard too."""
    return markup.element("div", content, class_="scroll", tabindex="0", role="group", aria_label=label)


def shown_observations(observations: Sequence[Observation], step: str) -> list[Observation]:
    """Return those observations of a step that the page has in its table."""
    return [seen for seen in observations if seen.source.step == step][:_ROWS]


def evidence_link(observation: str, words: str, known: frozenset[str]) -> str:
    """Return words that lead to an observation in the table of its step; words alone when the page has none of this id."""
    return markup.element("a", markup.text(words), href=f"#o-{observation}") if observation in known else markup.text(words)


def observation_table(shown: Sequence[Observation], total: int) -> str:
    """Return what a step observed as a table whose rows can be led to. total: how many observations there are."""
    rows = [[instant_text(o.observed_at), cap(o.source.where, 80), duration_text(o.duration_s), describe(o, 400)] for o in shown]
    table = markup.table(["time (UTC)", "where", "took", "seen"], rows, ids=[f"o-{o.id}" if o.id else "" for o in shown])
    rest = total - len(shown)
    more = markup.element("p", f"{quantity(rest, 'more observation')} in observations.jsonl", class_="soft") if rest else ""
    return scrolling(table, "observations") + more
