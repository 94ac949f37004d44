"""What a config asks to be trained, scored and shown: its models, their folds, their members."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# What an ensemble has in common with each of its members, and takes from them.
_COMMON = ("spacing_um", "further_spacings_um", "patch_px", "inference_patch_px")


@dataclass(frozen=True)
class Run:
    """One trained model, or what is made of several."""

    name: str  # in paths: the model's, with cross-validation ``NAME-fold1``
    model: str  # its name in the registry
    fold: int | None  # which fold tests it, from 1 on; None: the sheet's splits
    entry: dict  # its settings; of an ensemble with what it takes from its members
    members: tuple[str, ...] = ()  # names of the runs it is made of
    is_listed: bool = True  # results of its own were asked for


def runs_of(
    models: Mapping[str, dict], listed: Sequence[str], *, n_folds: int = 0
) -> dict[str, Run]:
    """Name all runs: those listed, in their order, and behind them the members that they need.

    `models` is the registry; `n_folds` of a cross-validation, 0: none.
    """
    needed = list(listed)
    for name in listed:
        needed += [m for m in models[name].get("members", []) if m not in needed]
    found = {}
    for name in needed:
        for fold in range(1, n_folds + 1) if n_folds else [None]:
            members = tuple(_run_name(m, fold) for m in models[name].get("members", []))
            run = Run(
                name=_run_name(name, fold),
                model=name,
                fold=fold,
                entry=_completed(models, name),
                members=members,
                is_listed=name in listed,
            )
            found[run.name] = run
    return found


def validation_fold(entry: Mapping, fold: int, n_folds: int) -> int:
    """Which fold validates a model that another fold tests: the next, or so many further on."""
    return (fold - 1 + entry.get("validation_fold", 1)) % n_folds + 1


def _run_name(name: str, fold: int | None) -> str:
    return f"{name}-fold{fold}" if fold else name


def _completed(models: Mapping[str, dict], name: str) -> dict:
    entry = models[name]
    if entry["kind"] != "ensemble":
        return entry
    first = models[entry["members"][0]]
    return {**{key: first[key] for key in _COMMON if key in first}, **entry}
