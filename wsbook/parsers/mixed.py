"""A paste that holds both code and what a program printed. Knows the look of a printed line and of code, no text and no language."""

import re
from collections.abc import Sequence

__all__ = ["code_in", "printed_in"]

_PRINTED = re.compile(
    r"^\s*(?:(?://+|#+|--|\*)\s?)?(?:"
    r"\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d|\[?\d\d:\d\d:\d\d[.,\] ]|\[\d{1,2}/\w{3}/\d{4}[ :]|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d "
    r"|\[?(?:INFO|DEBUG|WARN|WARNING|ERROR|CRITICAL|FATAL)\]?[ :]|panic: |Traceback \(most recent|\(node:\d+\) |Uncaught \S"
    r"|(?:Caused by: )?(?:[a-z]\w*\.){0,9}[A-Z]\w*(?:Error|Exception)(?: \[\w+\])?: \S|Error: \S"
    r"|WebSocket connection to ['\"]?wss?://|(?:GET|POST) (?:https?|wss?)://\S+ (?:\d{3}|net::)|Failed to load resource"
    r"|(?:[\w .-]{1,40}: ?)?websocket: (?!(?:true|false)\b)[a-z']"
    r")"
)
"""The beginnings of lines that loggers, browsers, interpreters and Go's errors print, quoted in a comment or not."""

_QUOTED = re.compile(r"^\s*(?://+|#+|--|\*)\s?")
_CODE = re.compile(
    r"[;{}]\s*(?://.*)?$|^\s*(?:import|from|use|using|require|def|async def|func|fn|const|let|var|class|public|private|package|config)\b"
    r"|^\s*@\w"
    r"|\)\s*(?:=>|do|:)\s*$|^\s*\w+: [^\s].*,$"
)
_LEAST_LINES, _LEAST_SHARE = 4, 0.4


def printed_in(text: str) -> list[str]:
    """Return the lines of a text, "" instead of each that nobody printed; comment marks are taken off. No line when nothing is printed."""
    lines = text.splitlines()
    kept = [_QUOTED.sub("", line) if _PRINTED.match(line) else "" for line in lines]
    return kept if any(kept) else []


def code_in(text: str) -> str:
    """Return the parts of a text between printed lines that look like code, every other line empty; "" when there is none."""
    kept, part = list[str](), list[str]()
    for line in (*text.splitlines(), None):
        if line is not None and not _PRINTED.match(line):
            part.append(line)
            continue
        kept += part if _looks_like_code([one for one in part if one.strip()]) else [""] * len(part)
        kept.append("")
        part = []
    return "\n".join(kept[:-1]) if any(kept) else ""


def _looks_like_code(lines: Sequence[str]) -> bool:
    marked = sum(1 for line in lines if _CODE.search(line[:400]) and line[0] != "{")
    return marked >= _LEAST_LINES and marked >= _LEAST_SHARE * len(lines)
