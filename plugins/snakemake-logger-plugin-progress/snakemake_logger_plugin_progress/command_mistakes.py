"""Mistakes in Snakemake's command line and targets, told in a line where it prints a traceback."""

import re
from collections.abc import Sequence
from pathlib import Path
from textwrap import dedent

import yaml

from .errors import one_line

_CONFIGS = (".yaml", ".yml", ".json")
# What Snakemake says when a word is no config file, or no setting.
_NO_CONFIG = ("configfile.py", "Config file", "config: ")
_NO_SETTING = "Config entries have to be defined as name=value pairs"
# An error of ours in an input function: between its type and where it was raised.
_OF_FUNCTION = re.compile(
    r"InputFunctionException in .*?\nError:\n  WorkflowError:\n(.*?)\nWildcards:.*", re.DOTALL
)
_NO_RULE = re.compile(r"MissingRuleException:\nNo rule to produce (.*) \(if you use input ")


def reword_error(text: str, arguments: Sequence[str], what_there_is: str = "") -> str:
    """Say in a line what an error of Snakemake comes from; others stay as they are.

    `arguments` are those of the command line; `what_there_is` tells which files can be made.

    Examples
    --------
    >>> text = "Traceback: common/configfile.py ... No such file or directory: 'score'"
    >>> reword_error(text, ["--configfile", "config.yaml", "score"])
    "--configfile takes all words behind it as config files, 'score' too; put what is to be made in\
 front: snakemake score --configfile config.yaml"
    """
    if found := _OF_FUNCTION.match(text):
        return dedent(found[1])
    if found := _NO_RULE.match(text):
        return "; ".join(filter(None, [f"nothing here makes {found[1]}", what_there_is]))
    return _find_wrong_word(text, arguments) or text


def _find_wrong_word(text: str, arguments: Sequence[str]) -> str:
    """Say which word or file is no config or setting, if that is what the error is about."""
    if any(words in text for words in _NO_CONFIG):
        files = _words_behind(("--configfile", "--configfiles"), arguments)
        wrong = next((file for file in files if not _is_config(file)), None)
        if wrong and wrong == files[0]:
            return f"the config file {wrong} does not exist; --configfile takes YAML or JSON"
        if wrong:
            return _in_front("--configfile", "config files", wrong, files)
        return next(filter(None, map(_find_fault, files)), "")
    if _NO_SETTING in text:
        settings = _words_behind(("--config", "-C"), arguments)
        wrong = next((word for word in settings if "=" not in word), None)
        if wrong:
            return _in_front("--config", "settings, each NAME=VALUE", wrong, settings)
    return ""


def _find_fault(file: str) -> str:
    """Say why a file is no YAML, and where; '' if it is."""
    try:
        yaml.compose(Path(file).read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        place = f"line {error.problem_mark.line + 1}" if error.problem_mark else "its end"
        return (
            f"config {file}: {place}: {one_line(error.problem)}; indent by blanks, as config.yaml"
        )
    except UnicodeDecodeError:
        return f"config {file}: is not in UTF-8; save it so"
    return ""


def _is_config(name: str) -> bool:
    path = Path(name)
    return path.suffix in _CONFIGS and path.is_file() and path.parts[0] != "results"


def _words_behind(options: Sequence[str], arguments: Sequence[str]) -> list[str]:
    """All words that an option takes: up to the next option."""
    found: list[str] = []
    takes = False
    for word in arguments:
        if word.startswith("-"):
            takes = word in options
        elif takes:
            found.append(word)
    return found


def _in_front(option: str, what: str, wrong: str, words: Sequence[str]) -> str:
    before = " ".join(words[: words.index(wrong)])
    return (
        f"{option} takes all words behind it as {what}, {wrong!r} too; put what is to be made in"
        f" front: snakemake {wrong} {option} {before}".rstrip()
    )
