"""Tables 3 to 7 of Hou et al. 2019, for whatever models were scored."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from microtome.io.tables import read_table
from microtome.nucleus_scores.methods import labels_used, method_name
from microtome.nucleus_scores.parts import mean_of, spread_of

_ABOUT = ("model", "method", "start", "labels_percent", "sparsity_percent")
_COUNTS = ("parts", "images", "nuclei")
_DETECTION = ("precision", "recall", "f")


@dataclass(frozen=True)
class Table:
    """One table: its columns are the same whichever models there are."""

    title: str
    about: str
    columns: tuple[str, ...]
    rows: list[dict]
    metrics: tuple[str, ...]  # columns that have a spread, ``NAME_sd``, beside them


@dataclass(frozen=True)
class ScoredModel:
    """A model of the registry with the scores of all its parts, the folds or splits of images."""

    about: dict
    parts: list[dict]


def group_runs(described: Iterable[dict], scores: Iterable[dict]) -> list[ScoredModel]:
    """Put together the runs of each model, in their order.

    `described` has of each run its ``model`` of the registry and what its entry says; `scores`, in
    the same order, the ``parts`` that it was tested on.
    """
    found: dict[str, ScoredModel] = {}
    for about, run in zip(described, scores, strict=True):
        model = found.setdefault(about["model"], ScoredModel(about, []))
        model.parts.extend(run["parts"])
    return list(found.values())


def make_tables(models: Sequence[ScoredModel]) -> dict[str, Table]:
    """Make Tables 4, 5, 3, 6 and 7 of the paper, by the names of their files.

    Figures are means over parts, ``NAME_sd`` their sample standard deviation, None where a part is
    alone. ``images`` and ``nuclei`` are those tested in all parts together.
    """
    detectors = _of_kinds(models, "crosswise", "nucleus_detector")
    classifiers = _of_kinds(models, "nucleus_classifier")
    features = [m for m in classifiers if m.about["network"] == "crosswise" and m.about["start"]]
    return {
        "detection": _table(
            "Detection of nuclei (Table 4 of Hou et al. 2019)",
            "Counts of a part are pooled. A detection is right if it is the nearest one of a true"
            " nucleus within nuclei.match_um.",
            detectors,
            _DETECTION,
            further=("threshold",),
        ),
        "sparsity": _table(
            "Detection without labels, by sparsity p (Table 5 of Hou et al. 2019)",
            "Counted as in the table of detection.",
            _by_sparsity(_of_kinds(models, "crosswise")),
            _DETECTION,
            further=("threshold",),
        ),
        "attributes": _table(
            "Attributes of nuclei (Table 3 of Hou et al. 2019)",
            "AUROC, mean over attributes; those that all nuclei of a part have, or none, are left"
            " out of it.",
            classifiers,
            ("auroc",),
            further=("left_out",),
        ),
        "features": _table(
            "What the features of the autoencoder are worth (Table 6 of Hou et al. 2019)",
            "AUROC of networks that start from a crosswise sparse autoencoder; frozen: only the"
            " layers on top of it have learnt.",
            _by_sparsity(features),
            ("auroc",),
            further=("frozen",),
        ),
        "segmentation": _table(
            "Segmentation of nuclei (Table 7 of Hou et al. 2019)",
            "DICE-average of the MICCAI 2015 challenge and the two coefficients it is made of:"
            " means over images. Each connected region of a mask is one nucleus.",
            _of_kinds(models, "nucleus_segmenter"),
            ("dice_average", "dice_mask", "dice_ensemble"),
        ),
    }


def attribute_rows(models: Sequence[ScoredModel]) -> list[dict]:
    """Give a row to each attribute of each classifier: mean AUROC over parts that have one."""
    rows = []
    for model in _of_kinds(models, "nucleus_classifier"):
        for name in model.about["attributes"]:
            values = [{"auroc": part["aurocs"][name]} for part in model.parts]
            rows.append(
                {
                    "model": model.about["model"],
                    "attribute": name,
                    "parts": sum(value["auroc"] is not None for value in values),
                    "auroc": mean_of(values, "auroc"),
                    "auroc_sd": spread_of(values, "auroc"),
                }
            )
    return rows


ATTRIBUTE_COLUMNS = ("model", "attribute", "parts", "auroc", "auroc_sd")


def cost_rows(
    described: Iterable[Mapping], scores: Iterable[Mapping], benchmarks: str | Path
) -> list[dict]:
    """Tell what the models cost: ``model``, ``images`` predicted, ``seconds_per_image``.

    `described` and `scores` are as in `group_runs`. The seconds are those of the whole jobs, from
    Snakemake's benchmarks in the folder, ``{name}.tsv``; None where one is missing.
    """
    found: dict[str, list[tuple[int, float | None]]] = {}
    for about, run in zip(described, scores, strict=True):
        path = Path(benchmarks) / f"{about['name']}.tsv"
        seconds = float(read_table(path)[-1]["s"]) if path.exists() else None
        found.setdefault(about["model"], []).append((run["predicted"], seconds))
    rows = []
    for model, runs in found.items():
        images, seconds = (list(values) for values in zip(*runs, strict=True))
        each = None if None in seconds else sum(seconds) / sum(images)
        rows.append({"model": model, "images": sum(images), "seconds_per_image": each})
    return rows


def _of_kinds(models: Iterable[ScoredModel], *kinds: str) -> list[ScoredModel]:
    return [model for model in models if model.about["kind"] in kinds]


def _by_sparsity(models: Iterable[ScoredModel]) -> list[ScoredModel]:
    return sorted(models, key=lambda model: model.about["sparsity_percent"])


def _table(
    title: str,
    about: str,
    models: Iterable[ScoredModel],
    metrics: tuple[str, ...],
    *,
    further: tuple[str, ...] = (),
) -> Table:
    figures = tuple(column for metric in metrics for column in (metric, f"{metric}_sd"))
    columns = (*_ABOUT, *_COUNTS, *figures, *further)
    found = []
    for model in models:
        row = _describe(model) | _figures(model.parts, metrics)
        found.append({column: row[column] for column in columns})
    return Table(title, about, columns, found, metrics)


def _describe(model: ScoredModel) -> dict:
    about, parts = model.about, model.parts
    left_out = dict.fromkeys(name for part in parts for name in part.get("left_out", ()))
    return {
        "model": about["model"],
        "method": method_name(about),
        "start": about["start"],
        "labels_percent": labels_used(about),
        "sparsity_percent": about["sparsity_percent"],
        "frozen": bool(about["frozen"]),
        "parts": len(parts),
        "images": sum(part["images"] for part in parts),
        "nuclei": sum(part["nuclei"] for part in parts),
        "left_out": ", ".join(left_out),
        "threshold": mean_of(parts, "threshold") if "threshold" in parts[0] else None,
    }


def _figures(parts: Sequence[Mapping], metrics: Iterable[str]) -> dict:
    found: dict[str, float | None] = {}
    for metric in metrics:
        found |= {metric: mean_of(parts, metric), f"{metric}_sd": spread_of(parts, metric)}
    return found
