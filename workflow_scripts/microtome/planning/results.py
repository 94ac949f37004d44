"""What a run of the workflow is to make: files of all models and slides together."""

from collections.abc import Iterable

from microtome.errors import InputError
from microtome.planning.cohort import Cohort


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

    def evaluated_models(self) -> list[str]:
        """List the models with slides to be judged by; with cross-validation not every fold has."""
        return [model for model in self._models.mapped if self._cohort.evaluated(model)]

    def if_evaluated(self, path: str) -> list[str]:
        """Name a file that is made where any model is evaluated."""
        return [path] * bool(self.evaluated_models())

    def of_evaluated_models(self, pattern: str) -> list[str]:
        """Name a file for each model that is evaluated."""
        return [pattern.format(model=model) for model in self.evaluated_models()]

    def cards(self) -> list[str]:
        """Name what is known of the weights of every evaluated model."""
        models = self.evaluated_models()
        return [card for model in models for card in self._models.cards_of_members(model)]

    def compared(self) -> list[dict]:
        """Describe what is compared: each run, its model of the registry, fold and networks."""
        runs = [self._models.runs[name] for name in self.evaluated_models()]
        return [
            {
                "name": run.name,
                "model": run.model,
                "fold": run.fold,
                "networks": len(self._models.members(run.name)),
            }
            for run in runs
        ]

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
        return [m for m in self.evaluated_models() if self._models.kind(m) == "ensemble"]

    def intervals(self) -> list[str]:
        """Name the tables of uncertainty of the evaluated ensembles."""
        return [f"results/uncertainty/{model}.tsv" for model in self.with_intervals()]
