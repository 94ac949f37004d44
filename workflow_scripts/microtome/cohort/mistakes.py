"""Mistakes of a person, told all at once."""

from collections.abc import Iterable
from difflib import get_close_matches

from microtome.errors import InputError, one_line

_MOST_SHOWN = 30


def refuse(mistakes: Iterable[str], *, of: str) -> None:
    """Raise InputError if there are mistakes: a line each, up to a limit, below how many there are.

    `of` is what they are in. A single mistake is one line.

    Examples
    --------
    >>> refuse([], of="config")
    >>> try:
    ...     refuse(["run: is empty", "slides: is no text"], of="config")
    ... except InputError as error:
    ...     print(error)
    config: 2 mistakes
      run: is empty
      slides: is no text
    """
    said = (text if text.isprintable() else one_line(text) for text in mistakes)
    lines = list(dict.fromkeys(said))
    if not lines:
        return
    if len(lines) == 1:
        raise InputError(f"{of}: {lines[0]}")
    shown = lines[:_MOST_SHOWN]
    more = [f"and {len(lines) - len(shown)} more"] * (len(lines) > len(shown))
    raise InputError("\n  ".join([f"{of}: {len(lines)} mistakes", *shown, *more]))


def suggest(word: str, known: Iterable[str]) -> str:
    """Name what a word that is not known was perhaps meant to be, as the end of a message.

    Examples
    --------
    >>> suggest("Anotation", ["path", "annotation"])
    '; did you mean annotation?'
    """
    by_case = {name.casefold(): name for name in known}
    begun = [name for name in by_case if len(word) > 1 and name.startswith(word.casefold())]
    close = begun or get_close_matches(word.casefold(), by_case, n=1)
    return f"; did you mean {by_case[close[0]]}?" if close else ""
