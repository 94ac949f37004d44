"""Nuclei on slides and on labelled images: which models find them, and which files are made."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from microtome.cohort.mistakes import refuse
from microtome.cohort.nucleus_checks import CROSSWISE, SUPERVISED
from microtome.errors import InputError
from microtome.planning.cohort import Cohort
from microtome.planning.trained_models import Run

# What the target nuclei makes of each slide, of each model of slides, and of labelled images.
_OF_SLIDES: tuple[str, ...] = ()
_OF_MODELS: tuple[str, ...] = ()
_OF_IMAGES: tuple[str, ...] = ()
# Kinds that say of a slide where its nuclei are.
_ON_SLIDES = (CROSSWISE, "nucleus_detector")
# With fewer folds than these, one that validates would leave none to train on.
_FOLDS_TO_VALIDATE = 3


class Nuclei:
    """The config's section ``nuclei``: its models, and what is made with them.

    Methods take a run's name as `model`, as those of `microtome.planning.models.Models` do.

    Parameters
    ----------
    cohort : Cohort
        The slides.
    config : mapping
        A config that its schema has taken.

    Examples
    --------
    >>> from microtome.planning.models import Models
    >>> entry = {"kind": "crosswise", "variant": "crosswise", "spacing_um": 0.5, "patch_px": 100}
    >>> section = {"run": ["c"], "outlines": None, "classes": None, "images": None, "folds": 0}
    >>> config = {"models": {"c": entry}, "run": [], "nuclei": section, "score_splits": ["test"]}
    >>> config["cross_validation"] = {"folds": 0}
    >>> sheet = {"a": {"split": "test"}, "b": {"split": "train"}}
    >>> cohort = Cohort(sheet, config, Models(config), usable=lambda: sheet)
    >>> Nuclei(cohort, config).of_slides("results/nuclei/{model}/{slide}.parquet")
    ['results/nuclei/c/a.parquet']
    """

    def __init__(self, cohort: Cohort, config: Mapping) -> None:
        self._cohort = cohort
        self._models = cohort.models
        self._section = config["nuclei"]
        self._sheet_path = self._section["images"]

    # Models

    def _runs(self) -> Iterator[Run]:
        """Find the runs of the models of ``nuclei.run``, each of its folds."""
        for name in self._section["run"]:
            for run in self._models.runs.values():
                if run.model == name:
                    yield run

    def on_slides(self) -> list[str]:
        """List the runs that find nuclei on slides: those of no fold of the labelled images."""
        return [
            run.name
            for run in self._runs()
            if run.image_fold is None and run.entry["kind"] in _ON_SLIDES
        ]

    def start(self, model: str) -> str | list:
        """Name the weights that a network begins with; none for one of random weights."""
        start = self._models.runs[model].start
        return self._models.weights(start) if start else []

    def model_of_outlines(self) -> str | None:
        """Name the segmenter that outlines the nuclei of slides, where there is one."""
        return self._section["outlines"]

    def model_of_classes(self) -> str | None:
        """Name the classifier of the nuclei of slides, where there is one."""
        return self._section["classes"]

    def curves(self) -> list[str]:
        """Name the figures of the training of all models for nuclei that are trained here."""
        return [
            f"results/models/{name}/training_curves.png"
            for name, run in self._models.runs.items()
            if self._models.finds_nuclei(name) and "weights" not in run.entry
        ]

    # Slides

    def slides(self, model: str) -> list[str]:
        """List the usable slides on which a model finds nuclei."""
        return self._cohort.scored(model)

    def of_slides(self, pattern: str) -> list[str]:
        """Name a file for each slide of each model that finds nuclei on slides."""
        return [
            path for model in self.on_slides() for path in self._cohort.of_scored(model, pattern)
        ]

    def of_model(self, model: str, pattern: str) -> list[str]:
        """Name a file for each slide of one model."""
        return self._cohort.of_scored(model, pattern)

    def tables(self, model: str) -> list[str]:
        """Name the tables of the nuclei that a model finds on slides."""
        return self.of_model(model, "results/nuclei/{model}/{slide}.parquet")

    # Labelled images

    @cached_property
    def _images(self) -> dict[str, Any]:
        return {}

    def image_sheet(self) -> str | list:
        """Name the sheet of labelled images, where there is one."""
        return self._sheet_path or []

    def part(self, image: str, model: str) -> str | None:
        """Say what an image is to a model: train, validation or test; None: nothing.

        Of ``nuclei.folds`` runs the k-th is tested on fold k, and validated on the next one where
        there are three or more; or the k-th word of the column ``splits`` says it.

        Raises
        ------
        InputError
            If the sheet does not say.
        """
        run, row = self._models.runs[model], self._images[image]
        return self._part_in(row, run.image_fold)

    def _part_in(self, row: Any, fold: int | None) -> str | None:
        if fold is None:
            return row.split
        n_folds = self._section["folds"]
        if row.splits:
            if len(row.splits) != n_folds:
                raise InputError(
                    f"image sheet {self._sheet_path}: image {row.name}: splits has"
                    f" {len(row.splits)} words, but nuclei.folds is {n_folds}"
                )
            return row.splits[fold - 1]
        if row.fold is None or not 1 <= row.fold <= n_folds:
            raise InputError(
                f"image sheet {self._sheet_path}: image {row.name}: fold is"
                f" {row.fold or 'missing'}, but nuclei.folds is {n_folds}"
            )
        if row.fold == fold:
            return "test"
        is_next = n_folds >= _FOLDS_TO_VALIDATE and row.fold == fold % n_folds + 1
        return "validation" if is_next else "train"

    def images(self, model: str, part: str) -> list[str]:
        """List the images that are train, validation or test to a model."""
        return [image for image in self._images if self.part(image, model) == part]

    def image_files(self, model: str, *parts: str) -> list[str]:
        """Name all files, pixels and labels, of the images of some parts."""
        rows = [self._images[image] for part in parts for image in self.images(model, part)]
        files = [file for row in rows for file in (row.path, row.nuclei, row.labels)]
        return [str(file) for file in files if file]

    def tested(self, model: str) -> list[dict]:
        """Say by which images a model is judged, each with the ``part`` whose mean it counts to.

        What has not learnt from labelled images is judged in every fold.
        """
        folds, own = self._section["folds"], self._models.runs[model].image_fold
        if not folds:
            return [{"image": image, "part": "test"} for image in self.images(model, "test")]
        return [
            {"image": name, "part": f"fold{fold}"}
            for fold in ([own] if own else range(1, folds + 1))
            for name, row in self._images.items()
            if self._part_in(row, fold) == "test"
        ]

    def validated(self, model: str) -> list[str]:
        """List the images that may choose a model's threshold."""
        return self.images(model, "validation")

    def predicted(self, model: str) -> list[str]:
        """List the images that a model predicts: those that test and validate it."""
        tested = [one["image"] for one in self.tested(model)]
        return list(dict.fromkeys([*tested, *self.validated(model)]))

    def compared(self) -> list[dict]:
        """Describe each run that has images to be judged by."""
        keys = ("kind", "network", "variant", "start", "frozen", "labels_percent")
        keys += ("sparsity_percent", "attributes", "spacing_um")
        return [
            {"name": run.name, "model": run.model, **{key: run.entry.get(key) for key in keys}}
            for run in self._runs()
            if self._images and self.tested(run.name)
        ]

    # All together

    def results(self) -> list[str]:
        """Name all that the target nuclei makes."""
        of_models = [p.format(model=m) for p in _OF_MODELS for m in self.on_slides()]
        of_images = list(_OF_IMAGES) if self.compared() else []
        of_slides = [path for pattern in _OF_SLIDES for path in self.of_slides(pattern)]
        return [*self.curves(), *of_slides, *of_models, *of_images]

    def require(self) -> list:
        """Raise InputError, a line for each mistake, unless there is all to train with.

        An empty list is returned: among the inputs of a rule it asks for nothing.
        """
        refuse(self._find_missing(), of="nuclei")
        return []

    def _find_missing(self) -> Iterator[str]:
        sheet = self._cohort.sheet
        for name, run in self._models.runs.items():
            if not self._models.finds_nuclei(name) or "weights" in run.entry:
                continue
            if run.entry["kind"] == CROSSWISE:
                if not any(self._cohort.split(slide, name) == "train" for slide in sheet):
                    yield f"training of {name} has no slide of split train; fill the column split"
            elif run.entry["kind"] in SUPERVISED and not self.images(name, "train"):
                yield (
                    f"training of {name} has no image of the training part in {self._sheet_path};"
                    " fill its column split, fold or splits"
                )
