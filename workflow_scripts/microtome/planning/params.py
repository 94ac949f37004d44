"""Params in one form and by name: equal settings rerun nothing, and what differs reruns its rules.

Snakemake 9 compares the params of a job as a set of what each prints, without their names: 1 is not
1.0, two that swap values are the same, a set prints in another order in each process, and what it
knows no print of (a Path, an array) is left out. Inputs it compares as one sorted list: a file that
goes from ``train=`` to ``validation=`` is the same input.
"""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

# Up to here each whole number is the same as int and as float.
_EXACT = 2**53


def canonical(value: Any, *, sort_keys: bool = False) -> Any:
    """Give equal values one form, which prints the same in every process.

    Numbers go by value, so 1.0 becomes 1; bools stay apart from them. Tuples become lists, sets
    sorted lists, paths text. Keys keep their order, which may mean something, unless `sort_keys`.

    Raises
    ------
    TypeError
        For anything else, such as an array.

    Examples
    --------
    >>> canonical({"um": (1.0, 0.5), "on": True, "of": {"b", "a"}})
    {'um': [1, 0.5], 'on': True, 'of': ['a', 'b']}
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str | PurePath):
        return str(value)
    if isinstance(value, int | float):
        is_whole = isinstance(value, int) or (value.is_integer() and abs(value) <= _EXACT)
        return int(value) if is_whole else float(value)
    if isinstance(value, list | tuple):
        return [canonical(item, sort_keys=sort_keys) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((canonical(item) for item in value), key=repr)
    if isinstance(value, Mapping):
        keys = sorted(value, key=repr) if sort_keys else value
        return {canonical(key): canonical(value[key], sort_keys=sort_keys) for key in keys}
    raise TypeError(
        f"a {type(value).__name__} cannot be compared; give text, numbers, lists of them"
    )


def settle(settings: dict) -> None:
    """Give equal settings one form, in place: 1 for 1.0, keys in order."""
    settings.update(canonical(settings, sort_keys=True))


def compare_by_name(rule: Any, *, is_driver: bool) -> None:
    """Make all params of a rule of Snakemake canonical, and add what a driver compares.

    That is a param ``compared``: the others by name, and a digest of the files that input functions
    give to each name. A job compares nothing, and is spared it.

    Raises
    ------
    TypeError
        If a param has no name, or is one that `canonical` refuses: then only once Snakemake asks
        for it, if it is a function.
    """
    where = f"rule {rule.name}: param"
    params = {name: _in_one_form(f"{where} {name}", item) for name, item in rule.params.items()}
    if len(params) < len(rule.params):
        raise TypeError(f"{where} without a name: it cannot be compared; give it one")
    if params and is_driver:
        params["compared"] = _compared(dict(params), _input_functions(rule.input))
    rule.params.clear()
    rule.set_params(**params)


def _in_one_form(where: str, param: Any) -> Any:
    def checked(value: Any) -> Any:
        try:
            return canonical(value)
        except TypeError as error:
            raise TypeError(f"{where}: {error}") from None

    return (lambda wildcards: checked(param(wildcards))) if callable(param) else checked(param)


def _compared(params: Mapping, inputs: list[tuple[str, Callable]]) -> Callable:
    def value(wildcards: Any) -> dict:
        given = {k: item(wildcards) if callable(item) else item for k, item in params.items()}
        files = [(name, function(wildcards)) for name, function in inputs]
        # The order of files is that of the sheet's rows, and no reason to run again.
        files = [(name, sorted(of) if isinstance(of, list) else of) for name, of in files]
        return {**given, "inputs": hashlib.sha256(repr(files).encode()).hexdigest()[:16]}

    return value


def _input_functions(inputs: Any) -> list[tuple[str, Callable]]:
    """The input functions of a rule by name, those within ``unpack`` too."""
    found = [(name, getattr(item, "_file", item)) for name, item in inputs._allitems()]
    found = [(name, getattr(item, "callable", None) or item) for name, item in found]
    return [(name, item) for name, item in found if callable(item)]
