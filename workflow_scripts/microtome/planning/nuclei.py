"""Nuclei on slides and on labelled images: which models find them, and which files are made."""

from collections.abc import Iterator, Mapping

from microtome.cohort.mistakes import refuse
from microtome.cohort.nucleus_checks import CROSSWISE, SUPERVISED
from microtome.planning.cohort import Cohort
from microtome.planning.nucleus_images import FIND_NUCLEI, NucleusImages

# What the target nuclei makes of each slide, of each model of slides, and of labelled images.
_OF_SLIDES = (
    "results/nuclei/{model}/{slide}.parquet",
    "results/nuclei/geojson/{model}/{slide}.geojson",
    "results/nuclei/figures/{model}/{slide}.png",
)
_OF_MODELS = ("results/nuclei/counts/{model}.tsv",)
# Slides that are drawn with their nuclei, and what is made of them.
_DRAWN = "demo/cohort/{slide}.svs"
_OF_DRAWN = "results/nuclei/scores/{model}_demo.tsv"
_OF_IMAGES = ("results/nuclei/evaluation/detection.csv",)


class Nuclei(NucleusImages):
    """The config's section ``nuclei``: its models, and what is made with them.

    Methods take a run's name as `model`, as those of `microtome.planning.models.Models` do.

    Parameters
    ----------
    cohort : Cohort
        The slides.
    config : mapping
        A config that its schema has taken.
    is_driver : bool
        Whether to check the sheet of labelled images; a job takes it as it is.

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

    def __init__(self, cohort: Cohort, config: Mapping, *, is_driver: bool = True) -> None:
        super().__init__(cohort.models, config["nuclei"], is_driver=is_driver)
        self._cohort = cohort

    # Models

    def on_slides(self) -> list[str]:
        """List the runs that find nuclei on slides: those of no fold of the labelled images."""
        return [
            run.name
            for run in self._runs()
            if run.image_fold is None and run.entry["kind"] in FIND_NUCLEI
        ]

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

    def full_table(self, model: str, slide: str) -> str:
        """Name the table of a slide's nuclei that has all that is asked for of them."""
        if self.model_of_classes():
            return f"results/nuclei/classes/{model}/{slide}.parquet"
        return self.table_to_classify(model, slide)

    def table_to_classify(self, model: str, slide: str) -> str:
        """Name the table of a slide's nuclei with all but their classes."""
        part = "outlines/" if self.model_of_outlines() else ""
        return f"results/nuclei/{part}{model}/{slide}.parquet"

    def tumour_model(self, slide: str) -> str | None:
        """Name the model whose tumour map says where nuclei lie: the first that has one."""
        models = self._models.mapped
        return next((m for m in models if self._cohort.is_scored(slide, m)), None)

    def tumour_map(self, slide: str) -> str | list:
        """Name the tumour map of a slide that has one."""
        model = self.tumour_model(slide)
        return f"results/tumour/{model}/{slide}.tif" if model else []

    def of_drawn(self, model: str, pattern: str) -> list[str]:
        """Name a file for each slide of one model whose nuclei are known: the demo's."""
        return [
            pattern.format(model=model, slide=slide)
            for slide in self.slides(model)
            if self._cohort.path(slide) == _DRAWN.format(slide=slide)
        ]

    # All together

    def results(self) -> list[str]:
        """Name all that the target nuclei makes, beside the curves of training."""
        of_models = [p.format(model=m) for p in _OF_MODELS for m in self.on_slides()]
        of_models += [_OF_DRAWN.format(model=m) for m in self.on_slides() if self.of_drawn(m, "")]
        of_images = list(_OF_IMAGES) if self.compared() else []
        of_slides = [path for pattern in _OF_SLIDES for path in self.of_slides(pattern)]
        return [*of_slides, *of_models, *of_images]

    def require(self) -> list:
        """Raise InputError, a line for each mistake, unless there is all to train with.

        An empty list is returned: among the inputs of a rule it asks for nothing.
        """
        refuse(self._find_missing(), of="nuclei")
        return []

    def _find_missing(self) -> Iterator[str]:
        yield from self._find_untrained()
        if self._section["threshold"] != "validation":
            return
        for run in self._runs():
            if run.entry["kind"] in FIND_NUCLEI and not self.validated(run.name):
                yield (
                    f"threshold of {run.name} is chosen on validation images, and it has none; give"
                    " nuclei.threshold as a number"
                )

    def _find_untrained(self) -> Iterator[str]:
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
