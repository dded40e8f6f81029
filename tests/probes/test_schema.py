"""Messages against a JSON Schema from somebody else."""

import json
import time
from pathlib import Path

import pytest

from wsbook.probes.schema import SchemaError, check_messages

SCHEMA = {
    "type": "object",
    "required": ["text"],
    "properties": {"text": {"type": "string"}, "n": {"$ref": "#/$defs/number"}},
    "$defs": {"number": {"minimum": 3}},
}


async def _checked(path: Path, schema: object, *messages: str, **options: float) -> list[str | None]:
    path.write_text(schema if isinstance(schema, str) else json.dumps(schema))  # noqa: ASYNC240
    return await check_messages(str(path), messages, **options)


async def test_what_a_schema_refuses(tmp_path: Path) -> None:
    told = await _checked(tmp_path / "s", SCHEMA, '{"text": "x"}', '{"text": 1}', "{}", '{"text": "x", "n": 2}', "no json")
    assert told[:2] == ["", "$.text: 1 is not of type 'string'"]
    assert told[2:4] == ["$: 'text' is a required property", "$.n: 2 is less than the minimum of 3"]
    assert told[4] is not None and told[4].startswith("it is no JSON")


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"$ref": "http://127.0.0.1:9/schema.json"}, "leads out of the file"),
        ({"$ref": "file:///etc/passwd"}, "leads out of the file"),
        ({"type": "nonsense"}, "cannot be used"),
        ("{", "no JSON"),
        ('"' + "x" * 1_000_001 + '"', "larger than 1 MB"),
    ],
)
async def test_schemas_that_cannot_be_used(tmp_path: Path, schema: object, words: str) -> None:
    with pytest.raises(SchemaError, match=words):
        await _checked(tmp_path / "s", schema, "{}")
    with pytest.raises(SchemaError, match="cannot be read"):
        await check_messages(str(tmp_path / "absent"), ["{}"])


async def test_a_pattern_that_never_ends_is_ended(tmp_path: Path) -> None:
    begin = time.monotonic()
    schema = {"properties": {"text": {"pattern": "^(a+)+$"}}}
    told = await _checked(tmp_path / "s", schema, '{"text": "aaa"}', json.dumps({"text": "a" * 60 + "!"}), '{"text": "b"}', timeout_s=2.0)
    assert told == ["", None, None] and time.monotonic() - begin < 4.0
