"""The one exception that is shown to a user as a single line."""


class InputError(Exception):
    """A mistake in what the user gave; its text is one line that says what to do."""
