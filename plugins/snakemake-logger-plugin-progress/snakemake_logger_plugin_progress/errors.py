"""What is shown to a user as a single line."""


class InputError(Exception):
    """A mistake in what the user gave; its text says what to do."""


def one_line(error: object) -> str:
    """What an error says in one line of printable characters, whatever a library put into it."""
    text = "".join(c if c.isprintable() else " " for c in str(error))
    return " ".join(text.split())
