"""Read what a person says: status, close code, age, share, place, and the symptoms that the words fit.

Knows no cause and no rule; which words point where stands in symptoms.toml. What is read here is told, never measured.
"""

import re

from wsbook.facts import SymptomFacts
from wsbook.observation import Observation, Source, observed
from wsbook.symptoms import MAX_TEXT, normalise, place_of, rank_symptoms

__all__ = ["parse_symptom"]

UNITS = {
    "ms": 0.001,
    "s": 1.0,
    "sec": 1.0,
    "secs": 1.0,
    "second": 1.0,
    "seconds": 1.0,
    "m": 60.0,
    "min": 60.0,
    "mins": 60.0,
    "minute": 60.0,
}
UNITS |= {"minutes": 60.0, "h": 3600.0, "hr": 3600.0, "hrs": 3600.0, "hour": 3600.0, "hours": 3600.0, "day": 86400.0, "days": 86400.0}
NUMBERS = {"one": 1.0, "two": 2.0, "three": 3.0, "four": 4.0, "five": 5.0, "six": 6.0, "seven": 7.0, "eight": 8.0, "nine": 9.0, "ten": 10.0}
NUMBERS |= {"twelve": 12.0, "fifteen": 15.0, "twenty": 20.0, "thirty": 30.0, "forty": 40.0, "fifty": 50.0, "sixty": 60.0, "ninety": 90.0}
NUMBERS |= {"hundred": 100.0, "a hundred": 100.0, "a": 1.0, "an": 1.0, "half a": 0.5, "half an": 0.5, "a couple of": 2.0}
FRACTIONS = {"half": 0.5, "a half": 0.5, "third": 1 / 3, "a third": 1 / 3, "two thirds": 2 / 3, "quarter": 0.25, "a quarter": 0.25}
ORDINALS = {"second": 2.0, "other": 2.0, "2nd": 2.0, "third": 3.0, "3rd": 3.0, "fourth": 4.0, "4th": 4.0, "fifth": 5.0, "5th": 5.0}
ORDINALS |= {"tenth": 10.0, "10th": 10.0}
VAGUE = {"all": 1.0, "every": 1.0, "most": 0.75, "many": 0.5, "some": 0.3, "several": 0.3, "certain": 0.2, "a few": 0.1, "few": 0.1}
"""How much of all a vague word stands for: a rough reading, good for nothing but order."""

SUBJECT = (
    r"(?:clients?|users?|customers|browsers|tabs|people|viewers?|subscribers?|requests?|attempts?|connections?|sockets?|handshakes?|tries"
)
SUBJECT += r"|messages|times?|visitors|devices|machines|pcs)"
KNOWN_STATUS = {
    101,
    200,
    204,
    301,
    302,
    303,
    307,
    308,
    400,
    401,
    403,
    404,
    405,
    406,
    407,
    408,
    409,
    410,
    413,
    415,
    421,
    422,
    425,
    426,
    428,
    429,
    431,
}
KNOWN_STATUS |= {444, 499, 500, 501, 502, 503, 504, 505, 520, 521, 522, 523, 524, 525, 526, 530}
KNOWN_CLOSE = {*range(1001, 1016)}
COUNTED = rf"(?!\s*(?:ms|s|secs?|seconds?|m|mins?|minutes?|h|hours?|days?|kb?|mb|gb|bytes|%|rows|concurrent|open|{SUBJECT})\b)"
NOT_PORT = r"(?<![:.\w$€-])(?<!port )(?<!ports )"
SAID = r"(?:http|status|code|error|response|returns?|returned|got|gets?|getting|answers?|answered|gives?|gave|with|an?|responds?"
SAID += r"|throws?|receives?|see|seeing|is|:)"
CLOSING = r"(?:codes?|closed?|closes|closing|disconnect\w*|ends?|error|reason|with|wscode)"

_NUMBER = r"(?:\d{1,6}(?:[.,]\d{1,3})?|" + "|".join(sorted(NUMBERS, key=len, reverse=True)) + r")"
_UNIT = r"(?:" + "|".join(sorted(UNITS, key=len, reverse=True)) + r")"
_DURATION = re.compile(
    rf"(?<![\w.:])(?P<number>{_NUMBER})(?:(?<=\d)|[\s-])[\s-]*(?P<unit>{_UNIT})"
    r"(?P<more>\s*\d{1,2}\s*s(?:econds|ec|ecs)?|\sand a half)?(?!\w)"
)
_RANGE = re.compile(rf"(?:{_NUMBER})\s*(?:-|to|or|and|,)\s*$")
_EVERY = re.compile(r"(?<!\w)(?:every|each|once an?|once every)\s+(?P<unit>minute|hour|day)(?!\w)")
_BEFORE = re.compile(
    r"(?:\b(?:after|every|each|within|for|at|lasts?|lives?|exactly|about|around|roughly|approximately|nearly|almost|idle|once)\b|~)"
    r"\W*(?:\w+\W+){0,2}$"
)
_ENDING = re.compile(
    r"drop|clos|disconnect|\bdie|\bcut|reconnect|\blost|timeout|1006|\bfail|stall|break|broke|kill|\bend|terminat|idle|inactiv|silen"
    r"|stops|cut off|expire"
)
_PLURAL = re.compile(r"[45]\d\ds")
_ARTICLE = re.compile(
    r"(?:after|within|about|around|for|every|lasts?|than|roughly|exactly|approximately|almost|nearly|once|like|at) (?:about |only )?$"
)
_SETTING = re.compile(
    r"(?:ping|pings|heartbeat|interval|keepalive\w*|default(?: is| of)?|delay\w*(?: by| of)?|latency(?: of)?"
    r"|timeout\w*(?: is| of| to| set to)|set to|\w+_timeout|=|in the last|ago|been \w+ for"
    r"|(?:messages?|updates|data|traffic|events?|polls?|polling|sends?|sending) (?=every))\W*(?:is |of |every |at |to |about )?$"
)


def _any(words: dict[str, float]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


_OF = r"(?:of )?(?:the |our |all |my )*"
_PERCENT = re.compile(rf"(?<![\w.])(\d{{1,3}}(?:\.\d+)?) ?(?:%|percent) {_OF}{SUBJECT}")
_PART = re.compile(
    r"(?<![\w.])(\d{1,3}|one|two|three|four) (?:of|in|out of|of every|in every) (?:every |the )?(\d{1,4}|two|three|four|five|ten)(?!\w)"
)
_EVERY_NTH = re.compile(rf"(?<!\w)every ({_any(ORDINALS)}) (?:\w+ )?{SUBJECT}(?!\w)")
_FRACTION = re.compile(rf"(?<!\w)({_any(FRACTIONS)}) {_OF}(?:\w+ )?{SUBJECT}(?!\w)")
_EVERY_OTHER = re.compile(r"(?<!\w)every (?:other|second) (?:one|page load|reload|refresh)(?!\w)|half the time")
_VAGUE = re.compile(rf"(?<!\w)({_any(VAGUE)}) {_OF}(?:\w+ )?{SUBJECT}(?!\w)")


def parse_symptom(text: str, *, step: str = "0") -> Observation:
    """Return the observation of what was told; at most 10,000 characters are read and kept.

    Numbers count only when they are said as what they are: "404" or "code 4401", not "200 clients" or "port 4000".
    """
    plain = normalise(text)
    status, close_code, age_s = _status(plain), _close_code(plain), _age_s(plain)
    ranked = rank_symptoms(plain, status=status, close_code=close_code, age_s=age_s)
    facts = SymptomFacts(
        text=text[:MAX_TEXT],
        symptoms=tuple(slug for slug, _ in ranked),
        status=status,
        close_code=close_code,
        age_s=age_s,
        share=_share(plain),
        place=place_of(plain),
    )
    return observed(Source(step=step, probe="symptom"), facts)


def _status(plain: str) -> int | None:
    """Return the HTTP status that was said, a failure before a success."""
    said = [int(code) for code in re.findall(rf"(?<!\w){SAID}[\s:'\"(]*{NOT_PORT}([1-5]\d\d)(?:s|ed)?\b(?![.:]\d){COUNTED}", plain)]
    alone = [int(code) for code in re.findall(rf"{NOT_PORT}([1-5]\d\d)(?:ed)?\b(?![.:]\d){COUNTED}", plain)]
    plural = [int(code) for code in re.findall(r"(?<!after )(?<!for )(?<!every )(?<![\w:.])([45]\d\d)'?s\b(?! of)", plain)]
    known = [code for code in (*said, *alone, *plural) if code in KNOWN_STATUS or (code in said and code >= 400)]
    return next((code for code in known if code >= 300), known[0] if known else None)


def _close_code(plain: str) -> int | None:
    """Return the close code that was said (RFC 6455 section 7.4); 3000 to 4999 and 1000 only beside a word of closing."""
    alone = [int(code) for code in re.findall(rf"{NOT_PORT}(10(?:0[1-9]|1[0-5]))\b(?![.:]\d){COUNTED}", plain)]
    said = [
        int(code)
        for code in re.findall(
            rf"\b{CLOSING}[\s:='\"(]*(?:code|with|status)?[\s:='\"(]*{NOT_PORT}([1-4]\d{{3}})\b(?![.:]\d){COUNTED}", plain
        )
    ]
    said += [int(code) for code in re.findall(rf"{NOT_PORT}([1-4]\d{{3}}) (?:clos\w+|disconnect\w*|exit) code\b", plain)]
    known = [code for code in (*alone, *said) if code in KNOWN_CLOSE or code == 1000 or code >= 3000]
    return next((code for code in known if code != 1006), known[0] if known else None)


def _seconds(found: re.Match[str]) -> float:
    number = found["number"]
    value = NUMBERS.get(number)
    seconds = (float(number.replace(",", ".")) if value is None else value) * UNITS[found["unit"]]
    if not found["more"]:
        return seconds
    if found["more"].startswith(" and"):
        return seconds + UNITS[found["unit"]] / 2
    return seconds + float(re.sub(r"\D", "", found["more"]))


def _is_age(plain: str, start: int, end: int) -> int:
    """Return how much a duration at this place is said as an age: 0 not at all."""
    before, near = plain[max(0, start - 40) : start], plain[max(0, start - 90) : end + 60]
    if _SETTING.search(before) or (_PLURAL.match(plain, start) and not _BEFORE.search(before)):
        return 0
    return 2 * bool(_BEFORE.search(before)) + bool(_ENDING.search(near))


def _age_s(plain: str) -> float | None:
    """Return after how many seconds it fails; None for a range, a setting, a latency or an uncertain word."""
    best: tuple[int, float] = (0, 0.0)
    for found in list(_DURATION.finditer(plain))[:50]:
        if _RANGE.search(plain[max(0, found.start() - 20) : found.start()]) or re.match(r"\s*(?:-|to|or)\s*\d", plain[found.end() :]):
            continue
        if found["number"] in {"a", "an"} and not _ARTICLE.search(plain[max(0, found.start() - 20) : found.start()]):
            continue
        if found["number"] in {"a", "one"} and found["unit"] == "second" and re.match(r" [a-z]", plain[found.end() :]):
            continue
        best = max(best, (_is_age(plain, found.start(), found.end()), _seconds(found)), key=lambda item: item[0])
    for found in list(_EVERY.finditer(plain))[:10]:
        best = max(best, (_is_age(plain, found.end(), found.end()) and 2, UNITS[found["unit"]]), key=lambda item: item[0])
    return best[1] if best[0] and best[1] > 0 else None


def _share(plain: str) -> float | None:
    """Return the part of clients or attempts concerned, 0..1; vague words give a rough number."""
    if found := _PERCENT.search(plain):
        return min(1.0, float(found[1]) / 100)
    if found := _PART.search(plain):
        part, whole = (float(word) if word.isdigit() else NUMBERS[word] for word in found.groups())
        return round(part / whole, 4) if 0 < part <= whole else None
    if found := _EVERY_NTH.search(plain):
        return round(1 / ORDINALS[found[1]], 4)
    if found := _FRACTION.search(plain):
        return round(FRACTIONS[found[1]], 4)
    if _EVERY_OTHER.search(plain):
        return 0.5
    found = _VAGUE.search(plain)
    return VAGUE[found[1]] if found else None
