"""What is wrong with a config or a row of a sheet, in words, from what jsonschema finds."""

import re

from jsonschema.exceptions import ValidationError


def name_key(error: ValidationError) -> str:
    """The key that is wrong, to begin a line with; nothing for the whole."""
    key = ".".join(str(part) for part in error.absolute_path)
    return f"{key}: " if key else ""


def describe_error(error: ValidationError) -> str:
    """What is wrong with it, and what may stand there."""
    say = _WORDS.get(error.validator)
    return say(error) if say else _first_line(error)


def _first_line(error: ValidationError) -> str:
    return error.message.splitlines()[0]


def _unknown_key(error: ValidationError) -> str:
    known = ", ".join(error.schema.get("properties", {}))
    unknown = re.search(r"\((.*) (?:was|were) unexpected\)", _first_line(error))
    return (
        f"unknown key {unknown.group(1) if unknown else _first_line(error)}; known keys are {known}"
    )


def _missing(error: ValidationError) -> str:
    return _first_line(error).replace("is a required property", "is missing")


def _another(error: ValidationError) -> str:
    return f"{error.instance!r} should be {error.validator_value}"


def _reserved(error: ValidationError) -> str:
    return f"{error.instance!r} is the name of a table of results; give the model another"


def _none_of(error: ValidationError) -> str:
    if not all({"const", "type"} & set(schema) for schema in error.validator_value):
        return _first_line(error)
    return f"{error.instance!r} is not {' or '.join(map(_alternative, error.validator_value))}"


def _alternative(schema: dict) -> str:
    """One of the things that a value may be: a word, or a number from here to there."""
    if "const" in schema:
        return str(schema["const"])
    limits = (("from", "minimum"), ("to", "maximum"))
    found = [f"{word} {schema[key]}" for word, key in limits if key in schema]
    return " ".join(["a whole number" if schema["type"] == "integer" else "a number", *found])


def _pattern(error: ValidationError) -> str:
    """Patterns allow letters, digits, _, - and some a dot inside."""
    name, pattern = error.instance, error.validator_value
    if "." in pattern and name.startswith("."):
        return f"{name!r} begins with a dot"
    allowed = "letters, digits, . _ -" if "." in pattern else "letters, digits, _ -"
    return f"{name!r} has characters that are not allowed ({allowed})"


_WORDS = {
    "additionalProperties": _unknown_key,
    "required": _missing,
    "const": _another,
    "not": _reserved,
    "oneOf": _none_of,
    "pattern": _pattern,
}
