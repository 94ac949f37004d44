"""What a config asks to be trained, scored and shown: its models, their folds, their members."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from microtome.cohort.nucleus_checks import OF_THE_START, SUPERVISED, list_nucleus_models
from microtome.cohort.rescored import OWN, RESCORED, list_parts
from microtome.cohort.starts import add_starts, start_of

# What an ensemble has in common with each of its members, and takes from them.
_COMMON = ("spacing_um", "further_spacings_um", "patch_px", "inference_patch_px")


@dataclass(frozen=True)
class Run:
    """One trained model, or what is made of several."""

    name: str  # in paths: the model's, with cross-validation ``NAME-fold1``
    model: str  # its name in the registry
    fold: int | None  # which fold tests it, from 1 on; None: the sheet's splits
    entry: dict  # its settings, with what it takes from those it is made of
    members: tuple[str, ...] = ()  # names of the runs it is made of, or has its weights from
    is_listed: bool = True  # results of its own were asked for
    image_fold: int | None = None  # of a network for nuclei: which fold of the images tests it
    start: str | None = None  # the run whose weights it begins with
    is_start: bool = False  # it gives its weights to others, and scores nothing

    @property
    def is_trained(self) -> bool:
        """Whether it is a network whose weights are made here."""
        return not self.members and "weights" not in self.entry


def runs_of(
    models: Mapping[str, dict], listed: Sequence[str], *, n_folds: int = 0
) -> dict[str, Run]:
    """Name all runs: those listed, in their order, then their members, then what these start from.

    `models` is the registry; `n_folds` of a cross-validation, 0: none. What has its weights given
    is not there once a fold.
    """
    needed = list(listed)
    for name in listed:
        needed += [m for m in list_parts(models, name) if m not in needed]

    def run_name(name: str, fold: int | None) -> str:
        return _run_name(name, None if "weights" in models[name] else fold)

    found = {}
    for name in add_starts(models, needed):
        has_folds = n_folds and "weights" not in models[name]
        for fold in range(1, n_folds + 1) if has_folds else [None]:
            start = start_of(models[name])
            run = Run(
                name=run_name(name, fold),
                model=name,
                fold=fold,
                entry=_completed(models, name),
                members=tuple(run_name(m, fold) for m in list_parts(models, name)),
                is_listed=name in listed,
                start=run_name(start, fold) if start else None,
                is_start=name not in needed,
            )
            found[run.name] = run
    return found


def nucleus_runs_of(models: Mapping[str, dict], section: Mapping) -> dict[str, Run]:
    """Name the runs of the config's section ``nuclei``, and behind them those they start from.

    What learns from labelled images is there once for each of the section's ``folds``.
    """
    found = {}
    for name in list_nucleus_models(section):
        entry = models[name]
        trained = "weights" not in entry
        start = start_of(entry)
        has_folds = trained and entry["kind"] in SUPERVISED
        for fold in range(1, section["folds"] + 1) if has_folds and section["folds"] else [None]:
            run = Run(
                name=_run_name(name, fold),
                model=name,
                fold=None,
                entry=_with_start(models, name),
                is_listed=False,
                image_fold=fold,
                start=start,
            )
            found[run.name] = run
        if start and start not in found:
            found[start] = Run(start, start, fold=None, entry=models[start], is_listed=False)
    return found


def validation_fold(entry: Mapping, fold: int, n_folds: int) -> int:
    """Which fold validates a model that another fold tests: the next, or so many further on."""
    return (fold - 1 + entry.get("validation_fold", 1)) % n_folds + 1


def _run_name(name: str, fold: int | None) -> str:
    return f"{name}-fold{fold}" if fold else name


def _completed(models: Mapping[str, dict], name: str) -> dict:
    entry = models[name]
    if entry["kind"] == RESCORED:
        own = {key: entry[key] for key in OWN if key in entry}
        return {**_completed(models, entry["model"]), **own}
    if entry["kind"] != "ensemble":
        return entry
    first = models[entry["members"][0]]
    return {**{key: first[key] for key in _COMMON if key in first}, **entry}


def _with_start(models: Mapping[str, dict], name: str) -> dict:
    """Complete the entry of a network by what it has from the autoencoder that it starts from."""
    entry = models[name]
    if entry.get("start") is None:
        return entry
    first = models[entry["start"]]
    return {**{key: first[key] for key in OF_THE_START if key in first}, **entry}
