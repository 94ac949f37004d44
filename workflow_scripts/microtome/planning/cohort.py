"""The slides of a sheet: what each is to each model, and which files are made of it."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from microtome.cohort.mistakes import suggest
from microtome.cohort.node_checks import choose_staging_model
from microtome.errors import InputError
from microtome.patches.grid_spec import split_patch_set
from microtome.planning.models import Models
from microtome.planning.trained_models import validation_fold

# What a network learns from, and what tells when its training ends.
_LEARNT = ("train", "validation")


class _Slides(dict):
    """Rows by slide; a slide that is not there is one that a person has asked for."""

    def __missing__(self, slide: str) -> dict:
        raise InputError(f"slide {slide} is not in the slide sheet{suggest(slide, self)}")


class Cohort:
    """The slides of a sheet, and what a config makes of them.

    Parameters
    ----------
    sheet : mapping of str to dict
        Slide id -> row.
    config : mapping
        A config that its schema has taken.
    models : Models
        Of this config.
    usable : callable
        Gives the slides that no step excluded. In the workflow it is asked once they are known.

    Examples
    --------
    >>> models = {"hue": {"kind": "colour", "spacing_um": 2.0, "patch_px": 224}}
    >>> config = {"models": models, "run": ["hue"], "cross_validation": {"folds": 0}}
    >>> config["score_splits"] = ["test"]
    >>> sheet = {"a": {"split": "test"}, "b": {"split": "train"}, "c": {}}
    >>> cohort = Cohort(sheet, config, Models(config), usable=lambda: sheet)
    >>> cohort.of_scored("hue", "{model}/{slide}.tif")
    ['hue/a.tif', 'hue/c.tif']
    """

    def __init__(
        self,
        sheet: Mapping[str, dict],
        config: Mapping,
        models: Models,
        usable: Callable[[], Iterable[str]],
    ) -> None:
        self.sheet = _Slides(sheet)
        self.models = models
        self._config = config
        self._usable = usable

    def usable(self) -> list[str]:
        """List the slides of the sheet that no step excluded."""
        return [slide for slide in self._usable() if slide in self.sheet]

    def only_usable(self, slides: Iterable[str]) -> list[str]:
        """Keep those of some slides that no step excluded."""
        usable = set(self._usable())
        return [slide for slide in slides if slide in usable]

    # One slide

    def path(self, slide: str) -> str:
        """Name the file of a slide."""
        return self.sheet[slide]["path"]

    def cells(self, slide: str, columns: Sequence[str]) -> dict:
        """Return some cells of a slide's row: those of `columns` that are not empty."""
        row = self.sheet[slide]
        return {column: row[column] for column in columns if column in row}

    def is_annotated(self, slide: str) -> bool:
        """Say whether the truth is known: outlines, masks, or the word that there is no tumour."""
        return self._is_outlined(slide) or self.sheet[slide].get("label") == "negative"

    def _is_outlined(self, slide: str) -> bool:
        row = self.sheet[slide]
        return any(key in row for key in ("annotation", "viable_mask", "whole_mask"))

    def is_node(self, slide: str) -> bool:
        """Say whether a slide is a patient's lymph node."""
        return "node" in self.sheet[slide]

    def truth(self, slide: str) -> str | list:
        """Name the truth of a slide that has one."""
        return f"results/truth/{slide}.tif" if self.is_annotated(slide) else []

    def split(self, slide: str, model: str) -> str | None:
        """Say what a slide is to a model: train, validation or test; None: only scored.

        Of a model with a `validation_fold` the training slides of that fold validate its training;
        slides of split validation are then ``held back`` for thresholds and temperature. So is
        a lymph node that networks are not to learn from (`staging.networks_learn_from`).
        """
        split = self._split_of_row(slide, model)
        is_kept = split in _LEARNT and self._is_kept_from_networks(slide)
        return "held back" if is_kept else split

    def _split_of_row(self, slide: str, model: str) -> str | None:
        run, row = self.models.runs[model], self.sheet[slide]
        if run.fold is not None:
            validated = validation_fold(run.entry, run.fold, self.models.n_folds)
            return {run.fold: "test", validated: "validation"}.get(row["fold"], "train")
        split, fold = row.get("split"), run.entry.get("validation_fold")
        if fold is None or split not in ("train", "validation"):
            return split
        if split == "validation":
            return "held back"
        return "validation" if row["fold"] == fold else "train"

    def _is_kept_from_networks(self, slide: str) -> bool:
        """Say whether a node has no outlines where networks are to learn from outlined ones."""
        if not self.is_node(slide) or self._is_outlined(slide):
            return False
        return self._config["staging"]["networks_learn_from"] == "outlined"

    def is_learnt(self, slide: str, model: str) -> bool:
        """Say whether a slide trains a network, or validates its training.

        Autoencoders learn from slides without truth, too.
        """
        has_use = self.is_annotated(slide) or bool(self.models.autoencoders(model))
        return has_use and self.split(slide, model) in _LEARNT

    def is_scored(self, slide: str, model: str) -> bool:
        """Say whether all maps of a slide are made by a model; lymph nodes are only staged."""
        if self.is_node(slide):
            return False
        split = self.split(slide, model)
        return split is None or split in self._config["score_splits"]

    def staging_run(self, slide: str) -> str:
        """Name the model that stages a node: with cross-validation the one that its fold tests."""
        name = choose_staging_model(self._config)
        return f"{name}-fold{self.sheet[slide]['fold']}" if self.models.n_folds else name

    def is_for_tuning(self, slide: str, model: str) -> bool:
        """Say whether temperature and threshold of a model come from a slide, among others."""
        if not (self.models.is_tuned(model) and self.is_annotated(slide)):
            return False
        if self._is_kept_from_networks(slide):
            return False
        folds = self.models.n_folds
        split = self.split(slide, model) if folds else self.sheet[slide].get("split")
        return split == "validation"

    def early_statuses(self, slide: str) -> list[str]:
        """Name the reports of the steps that a slide's grids depend on, in their order."""
        steps = ["slides", "tissue", *["truth"] * self.is_annotated(slide)]
        return [f"results/{step}/{slide}.json" for step in steps]

    def statuses(self) -> dict[str, list[str]]:
        """By slide, name the reports of every step that can exclude it, in their order."""
        return {slide: self._statuses(slide) for slide in self.sheet}

    def _statuses(self, slide: str) -> list[str]:
        grids = set()
        for model in self.models.runs:
            entry = self.models.entry(model)
            if entry["kind"] == "vote" or self.models.finds_nuclei(model):
                continue
            run = self.models.runs[model]
            is_staged = self.is_node(slide) and model == self.staging_run(slide)
            is_mapped = self.is_scored(slide, model) or self.is_for_tuning(slide, model)
            if is_staged or (is_mapped and not run.is_start):
                grids.add(self.models.scoring_grid(model))
            if run.is_trained and self.split(slide, model) in _LEARNT:
                grids.add(self.models.training_grid(model))
        reports = [f"results/grids/{grid}/{slide}.json" for grid in sorted(grids)]
        return self.early_statuses(slide) + reports

    def all_statuses(self) -> list[str]:
        """List the reports of all slides."""
        return [path for paths in self.statuses().values() for path in paths]

    # Patches of a slide

    def grid_of_patches(self, patches: str, slide: str) -> str:
        """Name the grid of a slide whose patches are stored."""
        return f"results/grids/{split_patch_set(patches)[0]}/{slide}.npz"

    def further_spacings(self, patches: str) -> list[float]:
        """Return the further spacings of stored patches, in µm/px."""
        return split_patch_set(patches)[1]

    def scoring_grid(self, model: str, slide: str) -> str:
        """Name the grid of a slide that a model scores."""
        return f"results/grids/{self.models.scoring_grid(model)}/{slide}.npz"

    def compression_grid(self, model: str, slide: str, spacing: str | None = None) -> str:
        """Name the grid of a slide that its latents lie on, by the autoencoder of a spacing."""
        return f"results/grids/{self.models.compression_grid(model, spacing)}/{slide}.npz"

    # Slides of a model

    def scored(self, model: str) -> list[str]:
        """List the usable slides that a model makes maps of."""
        return [slide for slide in self.usable() if self.is_scored(slide, model)]

    def evaluated(self, model: str) -> list[str]:
        """List the scored slides whose truth is known."""
        return [slide for slide in self.scored(model) if self.is_annotated(slide)]

    def for_tuning(self, model: str) -> list[str]:
        """List the usable slides that temperature and threshold of a model come from."""
        return [slide for slide in self.usable() if self.is_for_tuning(slide, model)]

    def learnt(self, model: str, split: str) -> list[str]:
        """List the usable slides of a split that a model can learn from."""
        slides = [slide for slide in self.usable() if self.split(slide, model) == split]
        if self.models.kind(model) == "segmenter":
            return [slide for slide in slides if self.is_annotated(slide)]
        return slides

    def learnt_patches(self, model: str, split: str) -> list[str]:
        """Name the patch stores of a split, or its grids where training reads the slides."""
        slides = self.learnt(model, split)
        if self.models.reads_slides(model):
            grid = self.models.training_grid(model)
            return [f"results/grids/{grid}/{slide}.npz" for slide in slides]
        patches = self.models.training_patches(model)
        return [f"results/patches/{patches}/{slide}.zarr" for slide in slides]

    def learnt_truths(self, model: str, split: str) -> list[str]:
        """Name the truth maps of a split."""
        return [f"results/truth/{slide}.tif" for slide in self.learnt(model, split)]

    def slides_to_learn(self, model: str, split: str) -> list[str]:
        """Name the files of the slides of a split, if training reads them itself."""
        return [self.path(slide) for slide in self._read_in_training(model, split)]

    def inspected_to_learn(self, model: str, split: str) -> list[str]:
        """Name what the slides of a split are, if training reads them itself."""
        return [f"results/slides/{slide}.json" for slide in self._read_in_training(model, split)]

    def _read_in_training(self, model: str, split: str) -> list[str]:
        return self.learnt(model, split) if self.models.reads_slides(model) else []

    # Files, by a pattern such as results/burden/{model}/{slide}.json

    def of_scored(self, model: str, pattern: str) -> list[str]:
        """Name a file for each slide that a model makes maps of."""
        return [pattern.format(model=model, slide=slide) for slide in self.scored(model)]

    def of_evaluated(self, model: str, pattern: str) -> list[str]:
        """Name a file for each slide that a model is judged by."""
        return [pattern.format(model=model, slide=slide) for slide in self.evaluated(model)]

    def of_tuning(self, model: str, pattern: str) -> list[str]:
        """Name a file for each slide that tunes a model; `model` is the one that scored it."""
        scorer = self.models.scorer(model)
        return [pattern.format(model=scorer, slide=slide) for slide in self.for_tuning(model)]
