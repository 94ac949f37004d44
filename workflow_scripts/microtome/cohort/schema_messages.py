"""Messages for people from jsonschema's errors in a config or a row of a sheet."""

import re
from contextlib import suppress

from jsonschema.exceptions import ValidationError


def name_key(error: ValidationError) -> str:
    """Name the wrong key as the beginning of a message; '' if the error is about all of it."""
    key = ".".join(str(part) for part in error.absolute_path)
    return f"{key}: " if key else ""


def describe_error(error: ValidationError) -> str:
    """Say what is wrong and what is allowed."""
    return _WORDS.get(error.validator, _first_line)(error)


def _first_line(error: ValidationError) -> str:
    return error.message.splitlines()[0]


def _describe_type(error: ValidationError) -> str:
    """Say so if a number is text to YAML, as 1e-3 and '8' are."""
    meant = ""
    if error.validator_value in ("number", "integer") and isinstance(error.instance, str):
        with suppress(ValueError):
            meant = f"; write {float(error.instance):g}"
    return _first_line(error) + meant


def _describe_unknown_key(error: ValidationError) -> str:
    known = ", ".join(error.schema.get("properties", {}))
    unknown = re.search(r"\((.*) (?:was|were) unexpected\)", _first_line(error))
    return (
        f"unknown key {unknown.group(1) if unknown else _first_line(error)}; known keys are {known}"
    )


def _describe_alternatives(error: ValidationError) -> str:
    if isinstance(error.instance, dict):
        return _describe_kind(error)
    if not all({"const", "type"} & set(schema) for schema in error.validator_value):
        return _first_line(error)
    return f"{error.instance!r} is not {' or '.join(map(_alternative, error.validator_value))}"


def _describe_kind(error: ValidationError) -> str:
    """Describe a section of one of several kinds by what its own kind asks for."""
    if "kind" not in error.instance:
        return "'kind' is missing"
    causes: dict[int, list[ValidationError]] = {}
    for cause in error.context:
        causes.setdefault(cause.schema_path[0], []).append(cause)
    own = [found for found in causes.values() if all([*c.path] != ["kind"] for c in found)]
    if not own:
        return f"{error.instance['kind']!r} is no kind of it"
    key = ".".join(map(str, own[0][0].path))
    return f"{key}{': ' * bool(key)}{describe_error(own[0][0])}"


def _alternative(schema: dict) -> str:
    """Describe one allowed form of a value: a word, or a number within limits."""
    if "const" in schema:
        return str(schema["const"])
    limits = (("from", "minimum"), ("to", "maximum"))
    found = [f"{word} {schema[key]}" for word, key in limits if key in schema]
    return " ".join(["a whole number" if schema["type"] == "integer" else "a number", *found])


def _describe_pattern(error: ValidationError) -> str:
    """Describe a name that does not fit: letters, digits, _, - are allowed, in some also dots."""
    name, pattern = error.instance, error.validator_value
    if "." in pattern and name.startswith("."):
        return f"{name!r} begins with a dot"
    allowed = "letters, digits, . _ -" if "." in pattern else "letters, digits, _ -"
    return f"{name!r} has characters that are not allowed ({allowed})"


_WORDS = {
    "type": _describe_type,
    "additionalProperties": _describe_unknown_key,
    "required": lambda e: _first_line(e).replace("is a required property", "is missing"),
    "const": lambda e: f"{e.instance!r} should be {e.validator_value}",
    "not": lambda e: f"{e.instance!r} {e.validator_value['description']}",
    "oneOf": _describe_alternatives,
    "pattern": _describe_pattern,
}
