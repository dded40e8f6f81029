"""Make wsbook/precedents.json anew from worked cases: JSON lines with "cause" and "artifact" (or "text").

    python benchmarks/precedents.py CASES.jsonl… > wsbook/precedents.json

Only words and word pairs are kept, at most 120 of a case: the rarer ones among those that several cases share, and some of its own.
"""

import json
import sys
from collections import Counter
from pathlib import Path

from wsbook.precedents import COMMON, SCHEMA, terms

SHARED, OWN = 60, 60
TEXT_CHARS = 20_000


def read_cases(paths: list[str]) -> list[tuple[str, set[str]]]:
    """Return (cause, terms) of every case that has a cause."""
    rows = [json.loads(line) for path in paths for line in Path(path).read_text(encoding="utf-8").splitlines()]
    return [(row["cause"], terms((row.get("artifact") or row.get("text", ""))[:TEXT_CHARS])) for row in rows if row.get("cause")]


def kept(words: set[str], counts: Counter[str], limit: float) -> list[str]:
    """Return the terms of a case that are kept, in order of the alphabet."""
    several = sorted((word for word in words if 1 < counts[word] < limit), key=lambda word: (counts[word], word))
    own = sorted(word for word in words if counts[word] == 1)
    return sorted(several[:SHARED] + own[:OWN])


def main(paths: list[str]) -> None:
    """Print the file."""
    cases = read_cases(paths)
    counts = Counter(word for _, words in cases for word in words)
    rows = sorted([cause, kept(words, counts, COMMON * len(cases))] for cause, words in cases)
    print(json.dumps({"schema": SCHEMA, "cases": rows}, separators=(",", ":")).replace('],["', '],\n["'))


if __name__ == "__main__":
    main(sys.argv[1:])
