"""Path conditions of Kubernetes objects built on Envoy and others, said one way. Knows no product."""

import re

from msgspec import Struct

from wsbook.parsers.proxies.artifact import Artifact, hints_at_polling, try_regex
from wsbook.parsers.proxies.routing import Candidate

__all__ = ["PathTest", "candidate_for", "expand_groups", "fits_glob", "rewrites_badly"]


class PathTest(Struct, frozen=True, kw_only=True):
    """One condition. kind: exact, prefix (of characters), segments (of whole parts) or regex. sure: nothing else has to hold."""

    kind: str = "prefix"
    text: str = "/"
    sure: bool = True

    def fits(self, path: str) -> bool | None:
        """Whether it takes a path; None when it depends on what is not known."""
        if self.kind == "exact":
            found = path == self.text
        elif self.kind == "segments":
            found = path == self.text.rstrip("/") or path.startswith(self.text.rstrip("/") + "/")
        elif self.kind == "regex":
            regex = try_regex(self.text)
            if regex is None:
                return None
            found = bool(regex.fullmatch(path[:500]))
        else:
            found = path.startswith(self.text)
        return found if self.sure or not found else None


def candidate_for(tests: tuple[PathTest, ...], *, words: str, group: str, able: bool = False, possible: bool = True) -> Candidate:
    """Return a route that takes what any of its tests takes; no test takes everything."""

    def fits(path: str) -> bool | None:
        judged = [test.fits(path) for test in tests]
        return True if True in judged or not tests else None if None in judged else False

    plain = next((test.text for test in tests if test.kind != "regex"), "")
    return Candidate(
        fits=fits,
        words=" ".join((*(test.text for test in tests), words)),
        sample=plain,
        group=group,
        open=not tests or any(test.text in ("/", "") and test.kind != "exact" for test in tests),
        able=able,
        possible=possible,
    )


def fits_glob(pattern: str, text: str) -> bool:
    """Whether a pattern with ``*`` and ``?`` takes a whole text, in time proportional to both."""
    at = here = 0
    star, mark = -1, 0
    while here < len(text):
        if at < len(pattern) and pattern[at] == "*":
            star, mark = at, here
            at += 1
        elif at < len(pattern) and pattern[at] in ("?", text[here]):
            at, here = at + 1, here + 1
        elif star >= 0:
            mark += 1
            at, here = star + 1, mark
        else:
            return False
    return not pattern[at:].strip("*")


def expand_groups(match: "re.Match[str]", template: str) -> str:
    """Return a template with ``$1`` and ``${1}`` replaced by what the groups of a match took; "" for a group that is not there."""
    return re.sub(r"\$\{?(\d)\}?", lambda m: (match[int(m[1])] or "") if int(m[1]) <= len(match.groups()) else "", template)


def rewrites_badly(tests: tuple[PathTest, ...], target: str, artifact: Artifact) -> str:
    """Return the pattern that replacing a prefix by target is, "" for one that may be right."""
    for test in tests:
        if hints_at_polling(test.text) and not hints_at_polling(target):
            return "rewrite.library-prefix-replaced"
        if test.kind == "prefix" and test.text.strip("/") and target.endswith("/") and not test.text.endswith("/"):
            return "rewrite.slash-doubled"
        path = artifact.endpoint_path
        if test.text.strip("/") and target.strip("/") != test.text.strip("/") and (not path or path.startswith(test.text)):
            return "rewrite.prefix-replaced"
    return ""
