"""What a run of the workflow is to make: files of all models and slides together."""

import json
from collections.abc import Iterable
from itertools import takewhile

from microtome.errors import InputError
from microtome.planning.cohort import Cohort

# What one network has at each spacing for itself.
_OF_SPACING = ("spacing_um", "stride_px", "weights")
# What tells one autoencoder from another.
_OF_AUTOENCODERS = ("patch_px", "reconstruction_loss", "downsampling")


class Results:
    """The results that a config asks for.

    A pattern is a path such as ``results/figures/{model}/{slide}.png``.
    """

    def __init__(self, cohort: Cohort) -> None:
        self._cohort = cohort
        self._models = cohort.models

    def of_models(self, pattern: str, models: Iterable[str] | None = None) -> list[str]:
        """Name a file for each model that has slides to score; of those that give maps."""
        chosen = self._models.mapped if models is None else models
        return [pattern.format(model=model) for model in chosen if self._cohort.scored(model)]

    def of_slides(self, pattern: str) -> list[str]:
        """Name a file for each scored slide of each model that gives maps."""
        models = self._models.mapped
        return [path for model in models for path in self._cohort.of_scored(model, pattern)]

    def tissue_figures(self) -> list[str]:
        """Name the figure of the tissue of each scored slide, under each grid of patches."""
        found = [
            f"results/figures/tissue/{self._models.scoring_grid(model)}/{slide}.png"
            for model in self._models.mapped
            for slide in self._cohort.scored(model)
        ]
        return list(dict.fromkeys(found))

    def uncertainty(self) -> list[str]:
        """Name table and figures of every model that has uncertainty maps."""
        figure, results = "results/figures/{model}/uncertainty/{slide}.png", []
        for model in self._models.mapped:
            if self._models.uncertainties(model):
                results += self.of_models("results/uncertainty/{model}.tsv", [model])
                results += self._cohort.of_scored(model, figure)
        return results

    def compression(self, chosen: str, listed: Iterable[str]) -> list[str]:
        """Name pictures and table of the slides that a model of the registry compresses.

        Raises
        ------
        InputError
            If it is not among those listed to be run.
        """
        if chosen not in listed:
            raise InputError(f"config: compression.model: {chosen} is not in run")
        picture, results = "results/reconstructions/{model}/{slide}.tif", []
        for model, run in self._models.runs.items():
            if run.model == chosen:
                results += self._cohort.of_scored(model, picture)
                results += self.of_models("results/compression/{model}.tsv", [model])
        return results

    def autoencoders(self) -> list[dict]:
        """Describe each autoencoder that is trained here, and which slides it is judged by.

        Those of models with given weights are not there.
        """
        found = []
        for model in self._models.mapped:
            run = self._models.runs[model]
            slides = self._cohort.scored(model)
            if not run.is_trained or not slides:
                continue
            about = {"model": model, "fold": run.fold, "slides": slides}
            found += [
                {**about, "spacing_um": um, **{key: run.entry[key] for key in _OF_AUTOENCODERS}}
                for um in self._models.pretrained_um(model)
            ]
        return found

    def if_reconstructed(self, path: str) -> list[str]:
        """Name a file that is made where there is any autoencoder."""
        return [path] * bool(self.autoencoders())

    def reconstructed_patches(self) -> list[str]:
        """Name what is reconstructed, of each autoencoder and slide."""
        return [
            f"results/autoencoders/{one['model']}/{one['spacing_um']:g}um/{slide}.npz"
            for one in self.autoencoders()
            for slide in one["slides"]
        ]

    def evaluated_models(self) -> list[str]:
        """List the models with slides to be judged by; with cross-validation not every fold has."""
        return [model for model in self._models.mapped if self._cohort.evaluated(model)]

    def if_evaluated(self, path: str) -> list[str]:
        """Name a file that is made where any model is evaluated."""
        return [path] * bool(self.evaluated_models())

    def of_evaluated_models(self, pattern: str) -> list[str]:
        """Name a file for each model that is evaluated."""
        return [pattern.format(model=model) for model in self.evaluated_models()]

    def judged_by(self, slide: str) -> list[str]:
        """List the models that an annotated slide judges; with cross-validation those it tests."""
        return [m for m in self._models.mapped if self._cohort.is_scored(slide, m)]

    def of_judged(self, slide: str, pattern: str) -> list[str]:
        """Name a file of a slide for each model that it judges."""
        return [pattern.format(model=model, slide=slide) for model in self.judged_by(slide)]

    def compared_maps(self) -> list[str]:
        """Name the figures that show all models of a slide, for each slide that judges any."""
        models = self.evaluated_models()
        slides = dict.fromkeys(slide for m in models for slide in self._cohort.evaluated(m))
        return [f"results/comparison/maps/{slide}.png" for slide in slides]

    def cards(self) -> list[str]:
        """Name what is known of the weights of every evaluated model."""
        models = self.evaluated_models()
        return [card for model in models for card in self._models.cards_of_members(model)]

    def compared(self) -> list[dict]:
        """Describe what is compared: each run, its model of the registry, fold, networks, grid."""
        runs = [self._models.runs[name] for name in self.evaluated_models()]
        return [
            {
                "name": run.name,
                "model": run.model,
                "fold": run.fold,
                "networks": len(self._models.members(run.name)),
                "grid": self._models.scoring_grid(run.name),
            }
            for run in runs
        ]

    def at_spacings(self) -> list[dict]:
        """Describe the evaluated models that are one network at several spacings.

        They differ in nothing else (but in stride and weights). Gives ``network``, the words that
        their names begin with in common; ``spacing_um``; ``model``.
        """
        networks: dict[str, dict[str, float]] = {}
        for run in map(self._models.runs.get, self.evaluated_models()):
            if "spacing_um" in run.entry:
                key = json.dumps(
                    {k: v for k, v in run.entry.items() if k not in _OF_SPACING}, sort_keys=True
                )
                networks.setdefault(key, {})[run.model] = run.entry["spacing_um"]
        return [
            {"network": _common_words(found), "spacing_um": um, "model": model}
            for found in networks.values()
            if len(set(found.values())) == len(found) > 1
            for model, um in found.items()
        ]

    def if_at_spacings(self, path: str) -> list[str]:
        """Name a file that is made where a network is evaluated at several spacings."""
        return [path] * bool(self.at_spacings())

    def counted(self) -> list[dict]:
        """Describe each count of pixels: model, slide, and the uncertainty maps it tells of."""
        return [
            {"model": model, "slide": slide, "kinds": self._models.uncertainties(model)}
            for model in self.evaluated_models()
            for slide in self._cohort.evaluated(model)
        ]

    def pixel_counts(self) -> list[str]:
        """Name the counts of pixels of all evaluated models and slides."""
        path = "results/evaluation/pixels/{model}/{slide}.npz"
        return [path.format_map(one) for one in self.counted()]

    def with_intervals(self) -> list[str]:
        """List the evaluated ensembles: they know between what bounds the burden lies."""
        return [m for m in self.evaluated_models() if self._models.is_ensemble(m)]

    def intervals(self) -> list[str]:
        """Name the tables of uncertainty of the evaluated ensembles."""
        return [f"results/uncertainty/{model}.tsv" for model in self.with_intervals()]


def _common_words(names: Iterable[str]) -> str:
    """Give the words that names begin with in common; without any the first name."""
    words = [name.split("_") for name in names]
    common = takewhile(lambda at: len(set(at)) == 1, zip(*words, strict=False))
    return "_".join([first for first, *_ in common] or words[0])
