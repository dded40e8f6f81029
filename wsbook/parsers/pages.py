"""Logs in pages: the lines worth reading of one stretch of text, with their numbers. Must not know any format.

Of a file beyond 4 MB only the first block is read line by line; from then on a sieve, made of what that showed, picks the lines.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from msgspec import Struct

from wsbook.parsers.lines import LINE_CHARS, LineReader
from wsbook.parsers.logs.sieve import Sieve, number_lines
from wsbook.parsers.logs.wrappers import unwrap

__all__ = ["Page", "pages"]

BATCH_LINES = 20_000
GATHERED_LINES = 256
WHOLE_BYTES = 4 * 2**20
"""A file that is not larger is read line by line."""


class Page(Struct):
    """Lines without their ends, and their numbers from 1. count, size_bytes: of the whole stretch. sieved: other lines were left out.

    large: of a file so large that they may be, which depends on what is installed.
    """

    lines: list[str]
    numbers: Sequence[int]
    count: int
    size_bytes: int
    sieved: bool = False
    large: bool = False

    def where(self, chosen: Sequence[bool], value: bool) -> "Page":
        """Return a page of the lines for which chosen has this value."""
        if all(one is value for one in chosen):
            return self
        places = [place for place, one in enumerate(chosen) if one is value]
        return Page([self.lines[place] for place in places], [self.numbers[place] for place in places], 0, 0, large=self.large)


def pages(source: Iterable[str], sieve: Callable[[], Sieve | None] = lambda: None, most: int | None = None) -> Iterator[Page]:
    """Yield the pages of a log.

    sieve: asked before each block of a large file but the first; None reads every line. most: blocks to sieve, None all.
    """
    return _gathered(_file_pages(source, sieve, most)) if isinstance(source, LineReader) else _line_pages(source)


def _line_pages(lines: Iterable[str]) -> Iterator[Page]:
    """Yield pages of lines from anywhere, in which a line break counts as a space."""
    source, first = iter(lines), 1
    while batch := list(islice(source, BATCH_LINES)):
        if any("\n" in line for line in batch):
            batch = [line.replace("\n", " ") for line in batch]
        yield Page([unwrap(line) for line in batch], range(first, first + len(batch)), len(batch), sum(map(len, batch)) + len(batch))
        first += len(batch)


def _gathered(found: Iterable[Page]) -> Iterator[Page]:
    """Yield pages of a few hundred lines: parsers are quick while their own data stays in the processor's cache."""
    waiting: Page | None = None
    for page in found:
        if waiting is not None and not page.sieved:
            yield waiting
            waiting = None
        waiting = page if waiting is None else _joined(waiting, page)
        if not page.sieved or len(waiting.lines) >= GATHERED_LINES:
            yield waiting
            waiting = None
    if waiting is not None:
        yield waiting


def _joined(one: Page, other: Page) -> Page:
    lines, numbers = one.lines + other.lines, [*one.numbers, *other.numbers]
    return Page(lines, numbers, one.count + other.count, one.size_bytes + other.size_bytes, True, True)


def _file_pages(reader: LineReader, sieve: Callable[[], Sieve | None], most: int | None) -> Iterator[Page]:
    first, large = 0, reader.path.stat().st_size > WHOLE_BYTES
    for number, block in enumerate(reader.blocks()):
        if most is not None and number > most:
            return
        chosen = sieve() if large and first else None
        numbers: Sequence[int]
        if chosen is None:
            lines = str(block, reader.encoding, "replace").split("\n")[:-1]
            count = len(lines)
            numbers = range(first + 1, first + count + 1)
        else:
            places = chosen.lines(block)
            lines = [str(block[begin:end], reader.encoding, "replace") for begin, end in places]
            numbers, count = number_lines(block, places, first)
        yield Page([unwrap(line[:LINE_CHARS].removesuffix("\r")) for line in lines], numbers, count, len(block), chosen is not None, large)
        first += count
