"""The models of a config: their networks, grids and files, each by the name of its run."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from microtome.cohort.nucleus_checks import NUCLEUS_KINDS
from microtome.patches.grid_spec import GridSpec, name_patch_set
from microtome.planning.trained_models import nucleus_runs_of, runs_of

_WITH_AUTOENCODERS = ("histocae", "mr_histocae")
# What is fitted at once, and what belongs to the target nuclei.
_WITHOUT_CURVES = ("colour", *NUCLEUS_KINDS)


class Models:
    """All models that are trained, given or made of others in a run of the workflow.

    `config` has passed its schema. Methods take a run's name as `model`.

    Attributes
    ----------
    n_folds : int
        Of the cross-validation; 0: none.
    runs : dict of str to Run
        By name. Those that find nuclei come last; they have no tumour maps.
    mapped, votes : list of str
        The models that results were asked for: those that give maps of their own, and votes.

    Examples
    --------
    >>> member = {"kind": "segmenter", "spacing_um": 0.5, "patch_px": 64}
    >>> both = {"kind": "ensemble", "members": ["a", "b"]}
    >>> registry = {"a": member, "b": member, "both": both}
    >>> config = {"models": registry, "run": ["both"], "cross_validation": {"folds": 0}}
    >>> models = Models(config)
    >>> list(models.runs), models.mapped, models.scorer("a")
    (['both', 'a', 'b'], ['both'], 'both')
    """

    def __init__(self, config: Mapping) -> None:
        self._config = config
        self.n_folds: int = config["cross_validation"]["folds"]
        self.runs = runs_of(config["models"], config["run"], n_folds=self.n_folds)
        if "nuclei" in config:
            self.runs |= nucleus_runs_of(config["models"], config["nuclei"])
        listed = [name for name, run in self.runs.items() if run.is_listed]
        self.votes = [name for name in listed if self.kind(name) == "vote"]
        self.mapped = [name for name in listed if self.kind(name) != "vote"]

    def entry(self, model: str) -> dict:
        """Return the registry entry of a model."""
        return self.runs[model].entry

    def kind(self, model: str) -> str:
        """Return the kind of a model, such as ``segmenter`` or ``ensemble``."""
        return self.entry(model)["kind"]

    def is_ensemble(self, model: str) -> bool:
        """Say whether a model has members with maps of the same patches; rescored it has none."""
        return self._config["models"][self.runs[model].model]["kind"] == "ensemble"

    def finds_nuclei(self, model: str) -> bool:
        """Say whether a model is one for nuclei, so that it has no tumour maps."""
        return self.kind(model) in NUCLEUS_KINDS

    def trained_here(self, *kinds: str) -> str:
        """Write a pattern of the models of some kinds whose weights are not given."""
        names = [
            name for name, run in self.runs.items() if run.entry["kind"] in kinds and run.is_trained
        ]
        return "|".join(names) or "none"

    # Networks and their weights

    def members(self, model: str) -> list[str]:
        """Name the networks that score a slide for a model: itself, or those behind it."""
        return list(self.runs[model].members) or [model]

    def entries_of_members(self, model: str) -> dict[str, dict]:
        """Return name and registry entry of each of the networks behind a model."""
        return {member: self.entry(member) for member in self.members(model)}

    def kinds_of_members(self, model: str) -> set[str]:
        """Return the kinds of the networks behind a model."""
        return {self.kind(member) for member in self.members(model)}

    def weights(self, model: str) -> str:
        """Name the file of a model's weights: given in its entry, or trained here."""
        return self.entry(model).get("weights") or f"results/models/{model}/weights.safetensors"

    def weights_of_members(self, model: str) -> list[str]:
        """Name the weights of all networks behind a model."""
        return [self.weights(member) for member in self.members(model)]

    def cards_of_members(self, model: str) -> list[str]:
        """Name the JSON files that lie beside these weights and say where they come from."""
        return [str(Path(path).with_suffix(".json")) for path in self.weights_of_members(model)]

    def start(self, model: str) -> str | list:
        """Name the weights that the training of a model begins with, where another gives them."""
        start = self.runs[model].start
        return self.weights(start) if start else []

    def autoencoders(self, model: str) -> list[str]:
        """Name the autoencoders that a model starts from, one a spacing; none for other kinds."""
        path = "results/models/{}/cae_{:g}um.safetensors"
        return [path.format(model, um) for um in self.pretrained_um(model)]

    def first_autoencoder(self, model: str) -> str:
        """Name the autoencoder that compresses slides."""
        return self.autoencoders(model)[0]

    def curves(self) -> list[str]:
        """Name the figures of all that is trained here in epochs, but for nuclei.

        Of several networks one more has them side by side.
        """
        figures = []
        for model in self._learning:
            steps = ["training", *(f"pretraining_{um:g}um" for um in self.pretrained_um(model))]
            figures += [f"results/models/{model}/{step}_curves.png" for step in steps]
        return figures + ["results/models/training_losses.png"] * (len(self._learning) > 1)

    def curves_side_by_side(self) -> list[str]:
        """Name the curves of `losses`."""
        return [f"results/models/{model}/training_curves.csv" for model in self._learning]

    def losses(self) -> list[dict[str, str]]:
        """Describe what each network trained here learns by: its ``model`` and its ``loss``."""
        runs = [self.runs[model] for model in self._learning]
        return [{"model": run.model, "loss": _name_loss(run.entry)} for run in runs]

    @cached_property
    def _learning(self) -> list[str]:
        """What is trained here in epochs, but for nuclei."""
        return [
            model
            for model, run in self.runs.items()
            if run.entry["kind"] not in _WITHOUT_CURVES and run.is_trained
        ]

    def pretrained_um(self, model: str) -> list[float]:
        """Give the spacings of the autoencoders of a model, in µm/px."""
        if self.kind(model) not in _WITH_AUTOENCODERS:
            return []
        return [self.entry(model)["spacing_um"], *self.further_um(model)]

    # Patches

    def further_um(self, model: str) -> list[float]:
        """Return the spacings of the further images of each patch, in µm/px."""
        return self.entry(model).get("further_spacings_um", [])

    def training_grid(self, model: str) -> str:
        """Name the grid that a model is trained on; for nuclei, patch beside patch."""
        entry = self.entry(model)
        usual = self._config["patches"]["stride_px"]
        stride_px = entry.get("stride_px", entry["patch_px"] if self.finds_nuclei(model) else usual)
        return self._grid(model, "patch_px", stride_px)

    def training_patches(self, model: str) -> str:
        """Name the patches that a model is trained on: its grid, and the further spacings."""
        return name_patch_set(self.training_grid(model), self.further_um(model))

    def scoring_grid(self, model: str) -> str:
        """Name the grid that a model scores."""
        entry = self.entry(model)
        key = "inference_patch_px" if "inference_patch_px" in entry else "patch_px"
        overlap = entry.get("overlap", self._config["inference"]["overlap"])
        stride_px = max(1, round(entry[key] * (1 - overlap)))
        return self._grid(model, key, stride_px)

    def compression_grid(self, model: str, spacing: str | None = None) -> str:
        """Name the grid that a slide's latents lie on: patch beside patch.

        Of the model's own spacing, or of another of its autoencoders, µm/px as in their names.
        """
        entry = self.entry(model)
        spacing_um = float(spacing) if spacing else entry["spacing_um"]
        return GridSpec(spacing_um, entry["patch_px"], entry["patch_px"]).name

    def _grid(self, model: str, side: str, stride_px: int) -> str:
        entry = self.entry(model)
        return GridSpec(entry["spacing_um"], entry[side], stride_px).name

    def reads_slides(self, model: str) -> bool:
        """Say whether training reads the slides: nothing is stored, or patches are moved."""
        if self.finds_nuclei(model):
            return True
        augmentation = self.entry(model).get("augmentation", {})
        moves = augmentation.get("shift_px") or augmentation.get("zoom")
        return self._config["patches"]["codec"] == "none" or bool(moves)

    def training_settings(self, model: str) -> dict:
        """Return what matters to training that reads the slides; stored patches know it already."""
        if not self.reads_slides(model):
            return {"min_tissue_fraction": None, "slide_settings": None}
        fraction = self._config["patches"]["min_tissue_fraction"]
        return {"min_tissue_fraction": fraction, "slide_settings": self._config["slide"]}

    def keep_rule(self) -> dict[str, float]:
        """Return which patches count as patches: those that would be stored to be learnt from.

        Where nothing is stored the rule about white does not apply.
        """
        keys = ("min_tissue_fraction", "max_white_fraction")
        rule = {key: self._config["patches"][key] for key in keys}
        if self._config["patches"]["codec"] == "none":
            rule["max_white_fraction"] = 1
        return rule

    # Scores

    @cached_property
    def _scorers(self) -> dict[str, str]:
        """The ensemble that each member is scored with; of several the first."""
        found: dict[str, str] = {}
        for run in self.runs.values():
            if self.is_ensemble(run.name):
                for member in run.members:
                    found.setdefault(member, run.name)
        return found

    def scorer(self, model: str) -> str:
        """Name the model whose pass over a slide scores a model too: its ensemble, or itself."""
        return self._scorers.get(model, model)

    def scores(self, model: str, slide: str) -> str:
        """Name the store that holds the scores of a slide by a model."""
        return f"results/scores/{self.scorer(model)}/{slide}.zarr"

    def part_of_scores(self, model: str) -> str | None:
        """Say whose scores to take from this store; None: those of all members together."""
        return None if self.scorer(model) == model else model

    def voters(self, model: str) -> list[str]:
        """Name the members of a vote."""
        return list(self.runs[model].members)

    def majority(self, model: str) -> str:
        """Say what has a voice in a vote: ``patches``, or ``classifiers``."""
        return self.entry(model).get("majority", "patches")

    def scores_of_voters(self, model: str, slide: str) -> list[str]:
        """Name the scores of a slide by each member of a vote."""
        return [self.scores(member, slide) for member in self.voters(model)]

    def patches_at_a_time(self) -> int | None:
        """Say how many patches go through a network at a time; None: as the device likes."""
        batch = self._config["inference"]["batch"]
        return None if batch == "auto" else batch

    def views(self, model: str) -> int:
        """Say how many times a patch goes through a network to be scored."""
        return 1 + len(self.entry(model).get("test_time_augmentation", []))

    # Maps

    def uncertainties(self, model: str) -> list[str]:
        """Name the uncertainty maps of a model.

        Several views of a patch give one that is aleatoric, several members an epistemic one.
        """
        views = self.entry(self.scorer(model)).get("test_time_augmentation")
        return ["aleatoric"] * bool(views) + ["epistemic"] * (self.kind(model) == "ensemble")

    def uncertainty_maps(self, model: str, slide: str) -> list[str]:
        """Name the files of a slide's uncertainty maps."""
        kinds = self.uncertainties(model)
        return [f"results/uncertainty/{kind}/{model}/{slide}.tif" for kind in kinds]

    def burdens_of_members(self, model: str, slide: str) -> list[str]:
        """Name the tumour burden of a slide by each member of an ensemble."""
        members = self.voters(model) if self.is_ensemble(model) else []
        return [f"results/burden/{member}/{slide}.json" for member in members]

    def segmentation(self, model: str) -> dict:
        """Return how a heatmap becomes tumour: the config's section, with the model's threshold."""
        section = self._config["segmentation"]
        return {**section, "threshold": self.entry(model).get("threshold", section["threshold"])}

    def is_tuned(self, model: str) -> bool:
        """Say whether validation slides give a model its threshold or its temperature."""
        return bool(self.threshold_source(model) or self.temperature_source(model))

    def threshold_source(self, model: str) -> str | list:
        """Name the file of a model's threshold, where its validation slides choose it."""
        is_chosen = self.segmentation(model)["threshold"] == "validation"
        return f"results/calibration/{model}.json" if is_chosen else []

    def temperature_source(self, model: str) -> str | list:
        """Name the file of the temperature of a model's heatmaps, where they are to have one."""
        has_one = self._config["calibration"]["temperature"]
        return f"results/calibration/{model}.json" if has_one else []


def _name_loss(entry: Mapping) -> str:
    """Name what training minimizes; losses of other names cannot be compared."""
    if entry["kind"] == "segmenter":
        return f"{entry.get('loss', 'cross_entropy').replace('_', '-')} of px"
    joint = " and reconstruction" * (entry["kind"] == "mr_histocae")
    return f"cross-entropy of patches{joint}"
