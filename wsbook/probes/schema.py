"""Messages against the JSON Schema that was given for them, in a process of its own that is ended when it takes too long."""

import asyncio
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

__all__ = ["SchemaError", "check_messages"]

CHECK_S = 4.0
_SCHEMA_BYTES, _ANSWER_BYTES = 1_000_000, 65_536


class SchemaError(Exception):
    """The schema cannot be used; the text says why."""


async def check_messages(path: str, messages: Sequence[str], *, timeout_s: float = CHECK_S) -> list[str | None]:
    """Return what the schema refuses in each message: "" nothing, None when it took too long to tell.

    Raises:
        SchemaError: the file cannot be read, is no JSON, or no schema.
    """
    asked = msgspec.json.encode({"schema": _read(path), "messages": list(messages)})
    script = str(Path(__file__).with_name("schema_check.py"))
    pipe, devnull = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", script, stdin=pipe, stdout=pipe, stderr=devnull, limit=_ANSWER_BYTES
    )
    answers: list[dict[str, str]] = []
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await _converse(process, asked, answers)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        process._transport.close()  # type: ignore[attr-defined]  # the pipes would otherwise stay until they are collected
    if answers and "invalid" in answers[-1]:
        raise SchemaError(f"the schema {path} cannot be used: {answers[-1]['invalid']}")
    told: list[str | None] = [answer.get("refused", "") for answer in answers[: len(messages)]]
    return [*told, *[None] * (len(messages) - len(told))]


async def _converse(process: asyncio.subprocess.Process, asked: bytes, answers: list[dict[str, str]]) -> None:
    if process.stdin is None or process.stdout is None:
        return
    with contextlib.suppress(ConnectionError):
        process.stdin.write(asked)
        await process.stdin.drain()
        process.stdin.close()
    while line := await process.stdout.readline():
        answers.append(msgspec.json.decode(line, type=dict[str, str]))


def _read(path: str) -> object:
    try:
        with Path(path).open("rb") as file:
            data = file.read(_SCHEMA_BYTES + 1)
    except OSError as error:
        raise SchemaError(f"the schema {path} cannot be read: {error.strerror}") from error
    if len(data) > _SCHEMA_BYTES:
        raise SchemaError(f"the schema {path} is larger than 1 MB")
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise SchemaError(f"the schema {path} is no JSON: {str(error)[:200]}") from error
