"""Numbers that have not come yet, of one stream of numbered messages. It must not know what a message is."""

from bisect import bisect_right

__all__ = ["Gaps"]


class Gaps:
    """Ranges of whole numbers, ascending and apart: starts[i] up to, not including, ends[i]."""

    __slots__ = ("ends", "starts")

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.ends: list[int] = []

    def add(self, start: int, end: int) -> None:
        """Add a range that is above all others."""
        self.starts.append(start)
        self.ends.append(end)

    def fill(self, number: int) -> bool:
        """Take one number out and tell whether it was in."""
        at = bisect_right(self.starts, number) - 1
        if at < 0 or number >= self.ends[at]:
            return False
        start, end = self.starts[at], self.ends[at]
        if end - start == 1:
            del self.starts[at], self.ends[at]
        elif number == start:
            self.starts[at] += 1
        elif number == end - 1:
            self.ends[at] -= 1
        else:
            self.starts.insert(at + 1, number + 1)
            self.ends[at] = number
            self.ends.insert(at + 1, end)
        return True

    @property
    def count(self) -> int:
        """How many numbers are in."""
        return sum(self.ends) - sum(self.starts)

    def first(self, most: int) -> list[int]:
        """Return the lowest numbers, at most so many."""
        found: list[int] = []
        for start, end in zip(self.starts, self.ends, strict=True):
            found += range(start, min(end, start + most - len(found)))
            if len(found) >= most:
                break
        return found
