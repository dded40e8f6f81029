"""Texts that programs are known to print: reads signatures.toml once, finds them in lines. Must not know any file format.

A line is judged in two stages. Stage one looks only at templates, which are lines in lower case without their digits: log lines repeat,
so a template is examined once and remembered. Stage two tests the few candidate lines themselves.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, cached_property

from msgspec import Struct, convert

from wsbook.datafile import read_table
from wsbook.facts import SignatureFacts
from wsbook.literals import LiteralSearch, has_fast_engine, ways_to_match

__all__ = ["KINDS", "FastMatcher", "Hit", "Matcher", "Signature", "Tally", "index_of", "matcher", "signatures"]

KINDS = ("backend_log", "access_log", "browser_console", "body")
TEXT_CHARS = 500
"""Characters kept of a first occurrence, as SignatureFacts promises."""
TIMES = 1000
TEMPLATES = 150_000
"""Templates remembered before the memory starts afresh; at 150 bytes each about 30 MB."""
SCAN_CHARS = 4096
"""Characters of one line that a regular expression may look at; longer lines are data, not messages."""

DIGITS = b"0123456789"
WORD = re.compile(rb"[a-z]{2,60}")
KEY_BYTES = 20
TELLING_CHARS = 3
"""Shorter literals stand in most lines."""
QUICK_CHARS = 250
"""Longer expressions may take Hyperscan seconds to compile."""
FREQUENT = 0.01
"""Share of lines in which a literal tells nothing."""
WORDS = 100_000
"""Words remembered before the memory starts afresh."""


class Signature(Struct, frozen=True, kw_only=True, dict=True):
    """One text that programs print.

    match: all of these literals; any: at least one of these; unless: none of these; regex: must be found as well, its named groups are
    captured. Case counts only when case is true. causes: (slug, probability that it is the explanation given this text alone);
    empty: harmless, or context. over: ids of less specific signatures that this one replaces on the same line.
    """

    id: str
    note: str
    programs: tuple[str, ...] = ()
    kinds: tuple[str, ...] = KINDS
    match: tuple[str, ...] = ()
    any: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    regex: str = ""
    case: bool = False
    causes: tuple[tuple[str, float], ...] = ()
    over: tuple[str, ...] = ()
    source: str = ""

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        return re.compile(self.regex, 0 if self.case else re.IGNORECASE) if self.regex else None

    @cached_property
    def _literals(self) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...], tuple[str, ...], tuple[str, ...]]:
        """Return (all of these, one of these groups whole, none of these, one of these); () asks nothing."""
        fold = str if self.case else str.lower
        every, some, never = (tuple(map(fold, group)) for group in (self.match, self.any, self.unless))
        return every, ways_to_match(self.regex, fold) if self.regex else (), never, some

    def found(self, line: str, lowered: str) -> dict[str, str] | None:
        """Return the captures when the line holds this text, None when it does not. lowered: the line in lower case."""
        text = line if self.case else lowered
        every, ways, never, some = self._literals
        if not _all_in(every, text) or (ways and not _one_whole(ways, text)):
            return None
        if (never and _any_in(never, text)) or (some and not _any_in(some, text)):
            return None
        if self._pattern is None:
            return {}
        match = self._pattern.search(line)
        return None if match is None else {key: value[:200] for key, value in match.groupdict().items() if value}

    @property
    def alternatives(self) -> tuple[tuple[str, ...], ...]:
        """Groups of literals in lower case; each line with this text holds one literal of each group."""
        ways = ways_to_match(self.regex, str.lower) if self.regex else ()
        every = [*((word.lower(),) for word in self.match), tuple(map(str.lower, self.any))]
        if ways and all(ways):
            every.append(tuple(max(way, key=len) for way in ways))
        return tuple(group for group in every if group)

    @property
    def covers(self) -> tuple[str, ...]:
        """Literals in lower case of which each line with this text holds one."""
        return tuple(map(str.lower, (max(self.match, key=len),) if self.match else self.any))


def _all_in(words: tuple[str, ...], text: str) -> bool:
    for word in words:  # a loop, because a generator costs more than the search  # noqa: SIM110
        if word not in text:
            return False
    return True


def _one_whole(groups: tuple[tuple[str, ...], ...], text: str) -> bool:
    for group in groups:  # noqa: SIM110
        if _all_in(group, text):
            return True
    return False


def _any_in(words: tuple[str, ...], text: str) -> bool:
    for word in words:  # noqa: SIM110
        if word in text:
            return True
    return False


class Hit(Struct, frozen=True):
    """One occurrence: index counts lines from 0 in what was scanned."""

    index: int
    signature: Signature
    text: str
    captures: dict[str, str]


def _template(text: str) -> bytes:
    return text.lower().encode("utf-8", "replace").translate(None, DIGITS)


def _key(literal: bytes) -> bytes:
    """Return the longest word inside a template; a line that holds the literal holds a word that contains this one."""
    return max(WORD.findall(literal), key=len, default=b"")[:KEY_BYTES]


class Index:
    """Files signatures under the words that their lines must hold, so that most of them are never looked at."""

    def __init__(self, known: Iterable[Signature]) -> None:
        self.known = tuple(known)
        self._words: dict[bytes, tuple[tuple[int, bytes], ...]] = {}

    @cached_property
    def _needs(self) -> list[tuple[tuple[bytes, ...], tuple[bytes, ...]]]:
        return [(tuple(map(_template, s.match)), tuple(map(_template, s.any))) for s in self.known]

    @cached_property
    def _filed(self) -> tuple[list[int], dict[bytes, list[tuple[int, bytes]]]]:
        """Return the signatures that no word names, and those that each word names, with the literal."""
        always: list[int] = []
        by_key: dict[bytes, list[tuple[int, bytes]]] = {}
        for index, (every, some) in enumerate(self._needs):
            literals = [max(every, key=lambda word: len(_key(word)))] if any(map(_key, every)) else list(some)
            if not literals or not all(map(_key, literals)):
                always.append(index)
                continue
            for literal in literals:
                by_key.setdefault(_key(literal), []).append((index, literal))
        return always, by_key

    @property
    def always(self) -> list[int]:
        """The places in known of the signatures that are tried on every line."""
        return self._filed[0]

    def signs(self, sample: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return (literals in lower case, regular expressions), of which each line with a known text shows one.

        sample: lines in lower case; literals that are rare in them are chosen, and where there are none the signature's own expression.
        """
        literals: dict[str, None] = {}
        expressions: dict[str, None] = {}
        frequent = FREQUENT * sample.count("\n")
        for signature in self.known:
            counted = [(sum(sample.count(word) for word in words), -min(map(len, words)), words) for words in signature.alternatives]
            count, _, rarest = min(counted)
            if signature.regex and count > frequent:
                expressions[signature.regex] = None
            else:
                literals |= dict.fromkeys(rarest)
        return tuple(literals), tuple(expressions)

    @cached_property
    def search(self) -> tuple[LiteralSearch, list[list[int]]]:
        """Return the search, and for each thing that it finds the places in known of the signatures whose lines hold it.

        A signature is found by a literal, or by its whole expression where that is short and its literals are found everywhere.
        """
        by_cover: dict[str, list[int]] = {}
        by_regex: dict[str, list[int]] = {}
        for index, signature in enumerate(self.known):
            vague = min(map(len, signature.covers)) < TELLING_CHARS and 0 < len(signature.regex) <= QUICK_CHARS
            for text in (signature.regex,) if vague else signature.covers:
                (by_regex if vague else by_cover).setdefault(text, []).append(index)
        return LiteralSearch(tuple(by_cover), tuple(by_regex)), [*by_cover.values(), *by_regex.values()]

    def _named(self, word: bytes) -> tuple[tuple[int, bytes], ...]:
        """Return the signatures, with the literal, of which a key stands in this word of a line."""
        found = self._words.get(word)
        if found is None:
            if len(self._words) > WORDS:
                self._words.clear()
            by_key = self._filed[1]
            parts = {word[i:j] for i in range(len(word) - 1) for j in range(i + 2, min(len(word), i + KEY_BYTES) + 1)}
            found = self._words[word] = tuple(pair for key in parts & by_key.keys() for pair in by_key[key])
        return found

    def candidates(self, template: bytes) -> tuple[int, ...]:
        """Return the places in known of the signatures that fit a template."""
        indexes = {index for index in self.always if _possible(self._needs[index], template)}
        named = {pair for word in set(WORD.findall(template)) for pair in self._named(word)}
        indexes.update(index for index, literal in named if literal in template and _possible((self._needs[index][0], ()), template))
        return tuple(sorted(indexes))


class Matcher:
    """Finds signatures in lines and remembers the templates it has seen: use one for one artifact."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._plain: set[bytes] = set()
        self._hot: dict[bytes, tuple[int, ...]] = {}

    def scan(self, lines: Sequence[str]) -> Iterator[Hit]:
        """Yield the occurrences in lines, which hold no line break."""
        if not lines:
            return
        templates = _template("\n".join(lines)).split(b"\n")
        self._learn(set(templates))
        if self._hot.keys().isdisjoint(templates):
            return
        for index, template in enumerate(templates):
            if template in self._hot:
                yield from _confirm(index, lines[index][:SCAN_CHARS], self._index.known, self._hot[template])

    def _learn(self, templates: set[bytes]) -> None:
        fresh = templates - self._plain - self._hot.keys()
        if len(self._plain) + len(self._hot) + len(fresh) > TEMPLATES:
            self._plain.clear()
            self._hot.clear()
            fresh = templates
        for template in fresh:
            if candidates := self._index.candidates(template):
                self._hot[template] = candidates
            else:
                self._plain.add(template)


class FastMatcher:
    """Finds signatures in lines with Hyperscan: the same as Matcher, in one pass, whatever the lines look like."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def scan(self, lines: Sequence[str]) -> Iterator[Hit]:
        """Yield the occurrences in lines, which hold no line break."""
        if not lines:
            return
        search, covered = self._index.search
        lines = [line[:SCAN_CHARS] for line in lines]
        for index, held in search.scan(lines):
            places = sorted({place for literal in held for place in covered[literal]})
            yield from _confirm(index, lines[index], self._index.known, places)


def _confirm(index: int, line: str, known: Sequence[Signature], places: Iterable[int]) -> list[Hit]:
    """Return the occurrences on a line of the signatures at these places in known."""
    lowered = line.lower()
    hits = [
        Hit(index, known[place], line[:TEXT_CHARS], captures)
        for place in places
        if (captures := known[place].found(line, lowered)) is not None
    ]
    replaced = {name for hit in hits for name in hit.signature.over}
    return [hit for hit in hits if hit.signature.id not in replaced]


def _possible(need: tuple[tuple[bytes, ...], tuple[bytes, ...]], template: bytes) -> bool:
    every, some = need
    return all(word in template for word in every) and (not some or any(word in template for word in some))


class Tally:
    """Groups occurrences by signature: how often, first text, lines, times."""

    def __init__(self) -> None:
        self._groups: dict[str, _Group] = {}

    def add(self, hit: Hit, line: int, time: float | None = None, marks: tuple[str, ...] = ()) -> None:
        """Count one occurrence. line: 1-based. time: epoch seconds, None when the line carries none. marks: of our probe, on this line."""
        group = self._groups.setdefault(hit.signature.id, _Group(hit, line))
        group.count += 1
        group.last = line
        group.marked += bool(marks)
        group.marks |= dict.fromkeys(marks) if len(group.marks) < TIMES else {}
        if time is not None and len(group.times) < TIMES:
            group.times.append(time)

    def wants_time(self, hit: Hit) -> bool:
        """Tell whether the instant of another occurrence would still be kept."""
        group = self._groups.get(hit.signature.id)
        return group is None or len(group.times) < TIMES

    def facts(self) -> Iterator[tuple[int, int, SignatureFacts]]:
        """Yield (first line, last line, facts) in order of first occurrence."""
        for group in self._groups.values():
            yield group.first, group.last, group.facts()


class _Group:
    def __init__(self, hit: Hit, line: int) -> None:
        self.hit, self.first, self.last, self.count = hit, line, line, 0
        self.times: list[float] = []
        self.marked = 0
        self.marks: dict[str, None] = {}

    def facts(self) -> SignatureFacts:
        signature = self.hit.signature
        return SignatureFacts(
            signature=signature.id,
            program=signature.programs[0] if signature.programs else "",
            count=self.count,
            text=self.hit.text.strip(),
            causes=signature.causes,
            captures=tuple(self.hit.captures.items()),
            times=tuple(self.times),
            marks=tuple(self.marks) if self.marked == self.count else (),
        )


@cache
def signatures() -> dict[str, Signature]:
    """Return every signature by id, in the file's order."""
    table = read_table("signatures.toml")
    return {entry["id"]: convert(entry, Signature) for entry in table["signature"]}


@cache
def index_of(*kinds: str) -> Index:
    """Return the index of the signatures of these kinds (see KINDS)."""
    return Index(signature for signature in signatures().values() if not set(kinds).isdisjoint(signature.kinds))


def matcher(*kinds: str, fast: bool | None = None) -> Matcher | FastMatcher:
    """Return a fresh matcher for texts of these kinds (see KINDS). fast: use Hyperscan; None where it is installed."""
    index = index_of(*kinds)
    return FastMatcher(index) if (has_fast_engine() if fast is None else fast) else Matcher(index)
