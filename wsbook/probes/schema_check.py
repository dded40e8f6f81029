"""Checks messages against a JSON Schema, as a process of its own: a pattern of the schema may take for ever, which only a kill ends.

Started by schema.py as a script, with the schema and the messages on its standard input; writes one line for each message. It must not
import wsbook, and never fetches what a $ref names.
"""

import json
import sys
from itertools import islice
from typing import Any

MEMORY_BYTES, CPU_S, ERRORS, WORDS = 1_000_000_000, 10, 50, 300


def confine() -> None:
    """Give this process little to take."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def refusal(validator: Any, message: str) -> str:
    """Return what the schema refuses in a message, "" nothing."""
    from jsonschema.exceptions import best_match

    try:
        value = json.loads(message)
    except ValueError as error:
        return f"it is no JSON: {error}"[:WORDS]
    worst = best_match(islice(validator.iter_errors(value), ERRORS))
    return "" if worst is None else f"{worst.json_path}: {worst.message}"[:WORDS]


def main() -> None:
    """Read {"schema", "messages"}, write {"invalid": why} or one {"refused": why} a message."""
    confine()
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]  # 2-3 s of import, python-jsonschema/jsonschema#1428
    import jsonschema
    import referencing
    from jsonschema.validators import validator_for

    asked = json.load(sys.stdin)
    try:
        kind = validator_for(asked["schema"], default=jsonschema.Draft202012Validator)
        kind.check_schema(asked["schema"])
        validator = kind(asked["schema"], registry=referencing.Registry())
        for message in asked["messages"]:
            print(json.dumps({"refused": refusal(validator, message)}), flush=True)
    except jsonschema.SchemaError as error:
        print(json.dumps({"invalid": f"{error.json_path}: {error.message}"[:WORDS]}), flush=True)
    except referencing.exceptions.Unresolvable as error:
        print(json.dumps({"invalid": f"a $ref leads out of the file, which is not followed: {error}"[:WORDS]}), flush=True)
    except (RecursionError, ValueError, TypeError, AttributeError) as error:
        print(json.dumps({"invalid": f"{type(error).__name__}: {error}"[:WORDS]}), flush=True)


if __name__ == "__main__":
    main()
