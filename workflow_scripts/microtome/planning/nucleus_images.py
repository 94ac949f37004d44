"""Labelled images of nuclei: what each is to each model, and which files are read."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

from microtome.cohort.nucleus_checks import CROSSWISE
from microtome.errors import InputError
from microtome.nucleus_images.image_rows import load_image_rows, read_image_rows
from microtome.nucleus_images.words import list_words
from microtome.planning.models import Models
from microtome.planning.trained_models import Run

# Kinds that say where nuclei are.
FIND_NUCLEI = (CROSSWISE, "nucleus_detector")
# With fewer folds than these, one that validates would leave none to train on.
_FOLDS_TO_VALIDATE = 3


class NucleusImages:
    """The sheet of the config's ``nuclei.images``, and its images in the runs of ``nuclei.run``.

    The sheet is read once something is asked that depends on it. `section` is the config's
    ``nuclei``; of ``is_driver`` see `microtome.planning.nuclei.Nuclei`.
    """

    def __init__(self, models: Models, section: Mapping, *, is_driver: bool) -> None:
        self._models = models
        self._section = section
        self._sheet_path = section["images"]
        self._is_driver = is_driver

    def _runs(self) -> Iterator[Run]:
        """Find the runs of the models of ``nuclei.run``, each of its folds."""
        for name in self._section["run"]:
            for run in self._models.runs.values():
                if run.model == name:
                    yield run

    @cached_property
    def _images(self) -> dict[str, dict]:
        """Rows of the sheet of labelled images by image; none where there is no sheet."""
        if self._sheet_path is None:
            return {}
        return (read_image_rows if self._is_driver else load_image_rows)(self._sheet_path)

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
        return self._part_in(self._images[image], self._models.runs[model].image_fold)

    def _part_in(self, row: Mapping, fold: int | None) -> str | None:
        if fold is None:
            return row.get("split")
        n_folds, about = self._section["folds"], f"image sheet {self._sheet_path}"
        if "splits" in row:
            words = list_words(row["splits"], ",")
            if len(words) != n_folds:
                raise InputError(
                    f"{about}: splits has {len(words)} words, but nuclei.folds is {n_folds}"
                )
            return words[fold - 1]
        if not 1 <= row.get("fold", 0) <= n_folds:
            raise InputError(
                f"{about}: image {row['image']}: fold is {row.get('fold', 'missing')}, but"
                f" nuclei.folds is {n_folds}"
            )
        if row["fold"] == fold:
            return "test"
        is_next = n_folds >= _FOLDS_TO_VALIDATE and row["fold"] == fold % n_folds + 1
        return "validation" if is_next else "train"

    def images(self, model: str, part: str) -> list[str]:
        """List the images that are train, validation or test to a model."""
        return [image for image in self._images if self.part(image, model) == part]

    def files_of_images(
        self, images: Iterable[str], columns: Iterable[str] = ("path", "nuclei", "labels")
    ) -> list[str]:
        """Name the files of some images: pixels, points and labels, or those of some columns."""
        rows = [self._images[image] for image in images]
        return [row[column] for row in rows for column in columns if column in row]

    def learnt_rows(self, model: str) -> dict[str, list[dict]]:
        """Return the rows of the images that a model is trained with, and that validate it."""
        parts = ("train", "validation")
        return {part: [self._images[i] for i in self.images(model, part)] for part in parts}

    def learnt_files(self, model: str, part: str) -> list[str]:
        """Name all files of the images that a model is trained with."""
        return self.files_of_images(self.images(model, part))

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

    def predicted_rows(self, model: str) -> list[dict]:
        """Return the rows of the images that a model predicts."""
        return [self._images[image] for image in self.predicted(model)]

    def predicted_files(self, model: str) -> list[str]:
        """Name the pixels of the images that a model predicts."""
        return self.files_of_images(self.predicted(model), ["path"])

    def files_of_truth(self, model: str, part: str) -> list[str]:
        """Name points and labels of the images that test or validate a model."""
        chosen = self.validated(model)
        if part == "test":
            chosen = list(dict.fromkeys(one["image"] for one in self.tested(model)))
        return self.files_of_images(chosen, ["nuclei", "labels"])

    def threshold_source(self, model: str) -> str | list:
        """Name the file of a model's threshold, where validation images choose it."""
        is_chosen = self._section["threshold"] == "validation"
        finds = self._models.kind(model) in FIND_NUCLEI
        return f"results/nuclei/thresholds/{model}.json" if is_chosen and finds else []

    def judged(self, model: str) -> dict:
        """Return what scores of a model depend on, of its entry."""
        entry = self._models.entry(model)
        return {key: entry.get(key) for key in ("kind", "spacing_um", "attributes")}

    def compared(self) -> list[dict]:
        """Describe each run that has images to be judged by."""
        keys = ("kind", "network", "variant", "start", "frozen", "labels_percent")
        keys += ("sparsity_percent", "attributes", "spacing_um")
        return [
            {"name": run.name, "model": run.model, **{key: run.entry.get(key) for key in keys}}
            for run in self._runs()
            if self._images and self.tested(run.name)
        ]

    def of_compared(self, pattern: str) -> list[str]:
        """Name a file for each run that has images to be judged by."""
        return [pattern.format(model=run["name"]) for run in self.compared()]
