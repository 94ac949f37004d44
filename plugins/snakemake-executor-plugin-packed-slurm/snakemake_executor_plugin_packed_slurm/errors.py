"""What is shown to a user as a single line."""


class InputError(Exception):
    """A mistake in what the user or the site gave; its text says what to do."""
