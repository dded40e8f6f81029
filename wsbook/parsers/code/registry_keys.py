"""Keys of registries in scripts and Python: what is entered under one form of a key and taken out under another stays for ever."""

import re
from collections.abc import Iterator

from wsbook.facts import PatternFacts
from wsbook.parsers.code.source_files import Code
from wsbook.parsers.pattern_table import entry, pattern_found

__all__ = ["key_patterns"]

_KEY = r"((?:[^()\[\],\n]|\([^()\n]*\)|\[[^\[\]\n]*\]){1,120}?)"
_HELD = (
    r"\b(\w*(?i:rooms?|clients?|conn\w*|sockets?|sessions?|peers?|users?|members?|subs|subscri\w*|channels?|topics?|players?"
    r"|watchers?|groups?|online|registry|listeners?)\w*)"
)
_ENTERS = re.compile(
    rf"{_HELD}(?:\.(?:set|put)\(\s*{_KEY}\s*,|\.setdefault\(\s*{_KEY}\s*,|\[{_KEY}\]\s*(?:=(?!=)|\.(?:add|append|push|set)\())"
)
_TAKES = re.compile(
    rf"{_HELD}(?:\.(?:delete|pop|remove)\(\s*{_KEY}\s*[,)]|\.get\(\s*{_KEY}\s*(?:,[^()\n]*(?:\(\))?)?\)[?!]?\.(?:delete|remove|discard|pop)\("
    rf"|\[{_KEY}\]\.(?:delete|remove|discard|pop)\()|\b(?:del|delete)\s+(?:this\.|self\.)?{_HELD}\[{_KEY}\]"
)
_STRING = re.compile(r"^[fr]?([`'\"])(.*)\1$")
_FUNCTION = re.compile(r"(?m)^[ \t]*(?:export\s+|async\s+|static\s+|public\s+|private\s+)*(?:function\b|def\b|\w+\s*\([^)\n]*\)\s*\{)")
_CONVERTS = re.compile(r"^(?:String|Number|str|int|parseInt)\(|\.(?:toString|toLowerCase|toUpperCase|lower|upper|strip|trim)\(")


def key_patterns(code: Code, text: str) -> Iterator[PatternFacts]:
    """Yield the first registry whose keys are made otherwise where they are taken out. text: the code without comments."""
    taken: dict[str, set[str]] = {}
    first: dict[str, int] = {}
    for match in list(_TAKES.finditer(text))[:200]:
        name, key = [part for part in match.groups() if part][:2]
        taken.setdefault(name, set()).add(_form(text, match.start(), key))
        first.setdefault(name, match.start())
    for name, forms in taken.items():
        entered = {_form(text, m.start(), next(filter(None, m.groups()[1:]))) for m in _ENTERS.finditer(text) if m[1] == name}
        if entered and "?" not in entered | forms and not any(_may_be_one(a, b) for a in entered for b in forms):
            line = text.count("\n", 0, first[name])
            yield pattern_found(entry("send.taken-out-under-another-key"), code.artifact, line + code.line, text.splitlines()[line].strip())
            return


def _member(key: str) -> str:
    """Return the form of a member of an object, "" for anything else."""
    found = re.fullmatch(r"([A-Za-z_$]\w*)((?:\.\w+(?:\(\))?)+)", key)
    return f"{{{key}}}" if found is not None and found[1] not in ("this", "self") else ""


def _may_be_one(first: str, second: str) -> bool:
    """Tell whether two forms may give one key; two members of the same object do not: ``{s.id}`` and ``{s.user}``."""
    if first == second:
        return True
    if not (first.startswith("{") and first.endswith("}") and second.startswith("{") and second.endswith("}")):
        return False
    (one, _, rest), (other, _, more) = first[1:-1].partition("."), second[1:-1].partition(".")
    if not one or not other or one != other:
        return True
    return not (rest and more) and _CONVERTS.search(f".{rest or more}") is None


def _form(text: str, place: int, key: str) -> str:
    """Return how a key is made: ``room:{}``, ``{}``, or "?" for one that cannot be told."""
    key = key.strip()
    if re.fullmatch(r"[A-Za-z_$][\w$]*", key):
        before = text[:place]
        starts = [m.start() for m in _FUNCTION.finditer(before)]
        around = before[starts[-1] if starts else 0 :]
        given = re.findall(rf"\b{re.escape(key)}\s*(?::\s*\w+\s*)?=(?!=|>)\s*([^;\n]+)", around)
        if not given:
            return f"{{{key}}}"
        key = given[-1].strip()
        if not _STRING.match(key) and "+" not in key:
            return "{}" if not _CONVERTS.search(key) else _member(key) or "?"
    if (string := _STRING.match(key)) is not None:
        return re.sub(r"\$?\{[^}]*\}", "{}", string[2])
    if (sum_ := re.fullmatch(r"(['\"])([^'\"]*)\1\s*\+\s*[\w.$]+", key)) is not None:
        return f"{sum_[2]}{{}}"
    if member := _member(key):
        return member
    if re.fullmatch(r"[\w.$\[\]'\"?!]+", key):
        return "{}"
    return "?"
