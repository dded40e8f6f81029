"""Bounded reading of text files: plain, gzip or zstd, in any usual encoding. Must not know what the text means.

Nothing here holds a whole file: text arrives in chunks of at most 4 MB, lines are cut at 16 KiB, and reading stops at a limit.
"""

import codecs
import gzip
import io
import stat
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, cast

from wsbook.errors import UnreadableInputError

__all__ = ["BLOCK_BYTES", "CHUNK_BYTES", "LINE_CHARS", "LineReader", "decode", "is_folder", "read_data", "read_head", "split_lines"]

CHUNK_BYTES = 4 * 2**20
BLOCK_BYTES = 2**20
"""Size of what is searched at once: small enough for a processor's cache."""
LINE_CHARS = 16 * 2**10
LIMIT_BYTES = 16 * 2**30
"""Most text read of one file after decompression; a compressed bomb ends here."""
HEAD_BYTES = 2**16
BOMB_BYTES, BOMB_RATIO = 256 * 2**20, 400
"""Unpacked text beyond the first is taken for a bomb when it is more than so many times its packed size; logs shrink 10 to 100 times."""
DATA_BYTES = 512 * 2**20
"""Most that a file read as a whole may hold (recordings, configurations)."""
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
CONTROL = bytes(range(9)) + bytes(range(14, 27)) + bytes(range(28, 32))
"""Bytes that text does not hold; escape (27) colours terminal output."""


def _zstd(path: Path) -> IO[bytes]:
    import zstandard

    return zstandard.ZstdDecompressor(max_window_size=2**27).stream_reader(path.open("rb"), read_across_frames=True, closefd=True)


def is_folder(path: Path) -> bool:
    """Tell a folder from a regular file; nothing is opened, since opening a pipe waits for a writer.

    Raises:
        UnreadableInputError: missing, out of reach, a pipe, a device.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise UnreadableInputError(f"{str(path)[:300]} does not exist") from None
    except (OSError, ValueError) as error:
        raise UnreadableInputError(f"{str(path)[:300]} cannot be opened: {getattr(error, 'strerror', '') or error}") from error
    if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
        raise UnreadableInputError(f"{path} is not a regular file")
    return stat.S_ISDIR(mode)


def _open(path: Path) -> IO[bytes]:
    if is_folder(path):
        raise UnreadableInputError(f"{path} is a folder, not a file")
    try:
        raw = path.open("rb")
    except OSError as error:
        raise UnreadableInputError(f"{path} cannot be opened: {error.strerror}") from error
    magic = raw.read(4)
    raw.seek(0)
    if magic[:2] != GZIP and magic != ZSTD:
        return raw
    raw.close()
    return cast(IO[bytes], gzip.GzipFile(path)) if magic[:2] == GZIP else _zstd(path)


def _read(source: IO[bytes], size: int, path: Path) -> bytes:
    try:
        return source.read(size)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableInputError(f"{path} cannot be read: {error}") from error
    except Exception as error:
        if type(error).__name__ != "ZstdError":  # its module is only imported for files that need it
            raise
        raise UnreadableInputError(f"{path} cannot be read: {error}") from error


def _read_into(source: IO[bytes], place: memoryview, path: Path) -> int:
    """Read into place and return how many bytes came, 0 at the end."""
    if isinstance(source, io.BufferedReader):
        return source.readinto(place)
    data = _read(source, len(place), path)
    place[: len(data)] = data
    return len(data)


def _is_packed(source: IO[bytes]) -> bool:
    return not isinstance(source, io.BufferedReader)


def _encoded(batches: Iterable[list[str]]) -> Iterator[memoryview]:
    for batch in batches:
        yield memoryview("".join(f"{line}\n" for line in batch).encode("utf-8", "replace"))


def _encoding(head: bytes, name: str) -> str:
    """Return the encoding of a text by its first bytes.

    Raises:
        UnreadableInputError: the bytes are no text.
    """
    for bom, encoding in BOMS:
        if head.startswith(bom):
            return encoding
    if _mostly_zero(head) or len(head.translate(None, CONTROL)) < 0.95 * len(head):
        raise UnreadableInputError(f"{name} is a binary file, not text")
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def _mostly_zero(head: bytes) -> bool:
    """Tell whether NUL stands in half of the lines: in some alone it is what a client sent, which nginx logs as it came."""
    if b"\0" not in head:
        return False
    lines = head.split(b"\n")
    return 2 * sum(b"\0" in line for line in lines) >= len(lines)


def decode(data: bytes, name: str = "the input") -> str:
    """Return data as text; what its encoding cannot express becomes U+FFFD.

    Raises:
        UnreadableInputError: the bytes are no text.
    """
    return data.decode(_encoding(data[:65536], name), "replace")


def split_lines(text: str) -> list[str]:
    """Return the lines of a text without their ends, each cut at LINE_CHARS; only line feeds and carriage returns end a line."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return [line[:LINE_CHARS] for line in lines] if len(text) > LINE_CHARS else lines


class LineReader:
    """Iterates over the lines of a file; afterwards size_bytes says how much text was read and truncated whether there was more.

    Raises:
        UnreadableInputError: while opening or iterating: missing, a folder, binary, or broken compression.
    """

    def __init__(self, path: Path | str, *, limit_bytes: int = LIMIT_BYTES) -> None:
        self.path = Path(path)
        self.limit_bytes = limit_bytes
        self.size_bytes = 0
        self.truncated = False
        self.encoding = "utf-8"
        _open(self.path).close()

    def __iter__(self) -> Iterator[str]:
        for batch in self.batches():
            yield from batch

    def batches(self) -> Iterator[list[str]]:
        """Yield lists of lines, one per chunk."""
        rest = ""
        for text in self._texts():
            text = (rest + text).replace("\r\n", "\n")
            end = text.rfind("\n")
            rest = text[end + 1 :]
            if len(rest) > LINE_CHARS:
                rest = rest[:LINE_CHARS]
            if end >= 0:
                yield _capped(text[:end].split("\n"))
        if rest:
            yield [rest.rstrip("\r")]

    def blocks(self) -> Iterator[memoryview]:
        """Yield the text as UTF-8 or latin-1 in blocks of whole lines, each line with its feed; encoding says which of the two.

        A block is only valid until the next one is asked for. Of lines beyond LINE_CHARS bytes only the beginning is kept.
        """
        rest, self.size_bytes = bytearray(), 0
        with _open(self.path) as source:
            head = _read(source, min(HEAD_BYTES, self.limit_bytes), self.path)
            encoding = _encoding(head, str(self.path))
            if encoding == "utf-16":
                yield from _encoded(self.batches())
                return
            self.encoding = "latin-1" if encoding == "latin-1" else "utf-8"
            head = head.removeprefix(codecs.BOM_UTF8)
            block = bytearray(BLOCK_BYTES + LINE_CHARS + 1)
            while size := self._fill(source, block, rest, head):
                head = b""
                end = block.rfind(b"\n", 0, size) + 1
                tail = block[end:size][:LINE_CHARS]
                if end:
                    yield memoryview(block)[:end]
                rest = tail
            self.truncated = bool(_read(source, 1, self.path))
        if rest:
            yield memoryview(rest + b"\n")

    def _fill(self, source: IO[bytes], block: bytearray, rest: bytearray, head: bytes) -> int:
        """Put the rest of the last block and new text into the block and return how much it now holds, 0 when nothing is left."""
        block[: len(rest)] = rest
        place = memoryview(block)[len(rest) : len(rest) + min(BLOCK_BYTES, self.limit_bytes - self.size_bytes)]
        place[: len(head)] = head
        got = len(head) or _read_into(source, place, self.path)
        self.size_bytes += got
        self._check_ratio(source)
        return len(rest) + got if got else 0

    def _check_ratio(self, source: IO[bytes]) -> None:
        if self.size_bytes > BOMB_BYTES and _is_packed(source) and self.size_bytes > BOMB_RATIO * self.path.stat().st_size:
            raise UnreadableInputError(f"{self.path} unpacks to more than {BOMB_RATIO} times its size; that is no log")

    def _texts(self) -> Iterator[str]:
        with _open(self.path) as source:
            decoder: codecs.IncrementalDecoder | None = None
            while chunk := _read(source, min(CHUNK_BYTES, self.limit_bytes - self.size_bytes), self.path):
                decoder = decoder or codecs.getincrementaldecoder(_encoding(chunk[:65536], str(self.path)))("replace")
                self.size_bytes += len(chunk)
                self._check_ratio(source)
                yield decoder.decode(chunk)
            self.truncated = bool(_read(source, 1, self.path))


def _capped(lines: list[str]) -> list[str]:
    return [line[:LINE_CHARS] for line in lines] if max(map(len, lines)) > LINE_CHARS else lines


def read_data(path: Path | str, *, limit_bytes: int = DATA_BYTES) -> bytes:
    """Return a whole file, unpacked.

    Raises:
        UnreadableInputError: missing, a folder, broken compression, or larger than limit_bytes.
    """
    path = Path(path)
    with _open(path) as source:
        data = _read(source, limit_bytes + 1, path)
    if len(data) > limit_bytes:
        raise UnreadableInputError(f"{path} holds more than {limit_bytes // 2**20} MiB, the most that is read of one such file")
    return data


def read_head(path: Path | str, size_bytes: int = 65536) -> bytes:
    """Return the first bytes of a file, unpacked.

    Raises:
        UnreadableInputError: missing, a folder, or broken compression.
    """
    path = Path(path)
    with _open(path) as source:
        return io.BytesIO(_read(source, size_bytes, path)).getvalue()
