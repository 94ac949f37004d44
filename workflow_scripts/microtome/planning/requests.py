"""Memory and time that jobs ask for, by what is known of a slide when its job is ready."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from microtome.io.atomic import read_json
from microtome.patches.grid_spec import GridSpec, split_patch_set
from microtome.planning.cohort import Cohort
from microtome.planning.known_files import bytes_of, read_known
from microtome.planning.needs import (
    UNKNOWN,
    Extent,
    Need,
    inspected_extent,
    measure_work,
    probed_extent,
    request_mb,
    request_minutes,
    step_need,
)
from microtome.planning.network_needs import scoring_need, training_need
from microtome.planning.nucleus_needs import (
    classification_need,
    detection_need,
    image_prediction_need,
    nucleus_training_need,
    outlining_need,
)
from microtome.planning.staging import Staging
from microtome.slides.header_probe import probe_slide

# Grids of so many slides tell how many patches there are to train on.
_GRIDS_LOOKED_AT = 100
_LONGEST_TRAINING_MIN = 24 * 60
# Until the slides to train on are known.
_UNKNOWN_TRAINING = Need(mb=9000, s=24 * 3600)
# A slide of fewer MB is scored before a second thread would help.
_SMALL_SLIDE_MB = 3
_NUCLEUS_TRAINING = ("pretrain_crosswise", "train_nucleus_network")
_TRAINING = ("pretrain_cae", "train_classifier", "train_segmenter", "fit_colour_baseline")
_DEMO = ("make_demo_cohort", "make_demo_node")
_COMPRESSION = ("compress_slide", "reconstruct_slide", "compression_quality", "reconstruct_patches")
_ON_TISSUE = ("tissue_mask", "patch_grid")
# By rule: what it takes, and which model of the section ``nuclei`` does it, if not the job's own.
_ON_NUCLEI = {
    "find_nuclei": (detection_need, None),
    "outline_nuclei": (outlining_need, "outlines"),
    "classify_nuclei": (classification_need, "classes"),
}


def more_each_retry(first: int) -> Callable[[object, int], int]:
    """Make a resource function of a rule whose needs follow no slide: MB or minutes at first."""

    def value(wildcards: object, attempt: int) -> int:
        return first * attempt

    return value


class Requests:
    """What the jobs of a rule ask for.

    Wildcards are mappings of their names, `files` a mapping of the names of the job's inputs.
    `uses_gpu` says whether networks run on GPUs for sure: known once there are jobs.
    """

    def __init__(
        self,
        cohort: Cohort,
        staging: Staging,
        config: Mapping,
        *,
        uses_gpu: Callable[[], bool],
    ) -> None:
        self._cohort = cohort
        self._models = cohort.models
        self._staging = staging
        self._config = config
        self._uses_gpu = uses_gpu

    def mb(self, rule: str, wildcards: Mapping, files: Mapping, threads: int, attempt: int) -> int:
        """MB of memory of a job; more at each attempt."""
        return request_mb(self._need(rule, wildcards, files, threads), attempt)

    def minutes(
        self, rule: str, wildcards: Mapping, files: Mapping, threads: int, attempt: int
    ) -> int:
        """Minutes of a job; more at each attempt. Training goes on where a limit struck."""
        if rule == "tune":  # stitches and counts all validation slides
            return (15 + len(files.get("scores", []))) * attempt
        asked = request_minutes(self._need(rule, wildcards, files, threads), attempt)
        is_training = rule in (*_TRAINING, *_NUCLEUS_TRAINING)
        return min(_LONGEST_TRAINING_MIN, asked) if is_training else asked

    def scoring_threads(self, slide: str) -> int:
        """Threads of a job that scores a slide."""
        return 1 if bytes_of(self._cohort.path(slide)) // 10**6 < _SMALL_SLIDE_MB else 2

    def scoring_gpus(self, model: str) -> int:
        """GPUs of a job that scores a slide; colours are counted without one."""
        return int(self._models.kinds_of_members(model) != {"colour"})

    def training_gpus(self, model: str) -> int:
        """GPUs of a training job."""
        return self._models.entry(model).get("gpus", 1)

    def _need(self, rule: str, wildcards: Mapping, files: Mapping, threads: int) -> Need:
        if rule in _DEMO:
            demo = self._config["demo"]
            return Need(mb=200 + 8 * demo["width_px"] * demo["height_px"] / 1e6, s=0)
        if rule == "calibration_tables":  # adds up the counts of all slides and models
            return Need(mb=200 + 0.3 * len(files.get("counts", [])), s=0)
        if rule == "patient_figure":
            nodes = self._staging.usable_of(wildcards["patient"])
            spacing_um = self._config["heatmap"]["spacing_um"]  # it holds the heatmaps whole
            return Need(300 + 12 * sum(self._extent(s).mpx_at(spacing_um) for s in nodes), s=0)
        if rule in _TRAINING:
            return self._need_of_training(rule, wildcards["model"], files.get("train", []))
        if rule in (*_NUCLEUS_TRAINING, "predict_nucleus_images"):
            return self._need_of_nuclei(rule, wildcards["model"], files)
        return self._need_of_slide(rule, wildcards, threads)

    def _need_of_nuclei(self, rule: str, model: str, files: Mapping) -> Need:
        images = files.get("images") or [*files.get("train", []), *files.get("validation", [])]
        of_job = {"image_mb": sum(map(bytes_of, images)) / 1e6, "on_gpu": self._uses_gpu()}
        entry = self._models.entry(model)
        if rule == "predict_nucleus_images":
            return image_prediction_need(entry, **of_job)
        return nucleus_training_need(entry, **of_job)

    def _need_of_slide(self, rule: str, wildcards: Mapping, threads: int) -> Need:
        if rule == "score_slide":
            return self._need_of_scoring(wildcards["model"], wildcards["slide"], threads)
        if rule in _ON_NUCLEI:
            need, section = _ON_NUCLEI[rule]
            model = self._config["nuclei"][section] if section else wildcards["model"]
            return self._need_on_tissue(need, model, wildcards["slide"], threads)
        if rule in _COMPRESSION:
            return self._need_of_compression(wildcards["model"], wildcards["slide"], threads)
        section = "tissue" if rule in _ON_TISSUE else "heatmap"
        grid, further_um = self._grid_of_job(wildcards)
        measured = self._measured(
            wildcards["slide"],
            grid=grid,
            further_um=further_um,
            map_um=self._config[section]["spacing_um"],
            readers=threads,
        )
        return step_need(rule, measured)

    def _need_on_tissue(
        self, need: Callable[..., Need], model: str, slide: str, threads: int
    ) -> Need:
        """Windows over the tissue of a slide, which cover half as much again."""
        entry, map_um = self._models.entry(model), self._config["heatmap"]["spacing_um"]
        status = read_known(read_json, f"results/tissue/{slide}.json") or {}
        mpx = self._extent(slide).mpx_at(entry["spacing_um"])
        if "tissue_mm2" in status:
            mpx = min(mpx, 1.5 * status["tissue_mm2"] / entry["spacing_um"] ** 2)
        measured = self._measured(slide, grid=None, further_um=(), map_um=map_um)
        return need(entry, measured, mpx=mpx, threads=threads, on_gpu=self._uses_gpu())

    def _need_of_training(self, rule: str, model: str, stores: Sequence[str]) -> Need:
        entry = self._models.entry(model)
        patches = self._patches_to_train_on(model, stores)
        if not patches:
            return _UNKNOWN_TRAINING
        is_pretraining = rule == "pretrain_cae"  # of one spacing
        images = 1 if is_pretraining else 1 + len(self._models.further_um(model))
        # What is fitted to colours has neither of these sections.
        settings = entry.get("pretraining" if is_pretraining else "training", {})
        return training_need(
            entry["kind"],
            patches=patches,
            mpx_of_patch=entry["patch_px"] ** 2 / 1e6 * images,
            epochs=settings.get("epochs", 1),
            batch=settings.get("batch", 1),
            gpus=self.training_gpus(model),
            on_gpu=self._uses_gpu() and entry["kind"] != "colour",
        )

    def _patches_to_train_on(self, model: str, stores: Sequence[str]) -> float:
        """Count the patches of slides by a sample of their grids; 0: not known."""
        grid = self._models.training_grid(model)
        slides = [Path(store).stem for store in stores]
        sample = slides[:: -(-len(slides) // _GRIDS_LOOKED_AT) or 1]
        statuses = [_grid_status(grid, slide) for slide in sample]
        found = [status["patches"] for status in statuses if "patches" in status]
        return len(slides) * sum(found) / len(found) if found else 0

    def _need_of_scoring(self, model: str, slide: str, threads: int) -> Need:
        members = self._models.members(model)
        return self._need_of_networks(
            slide,
            threads,
            {self._models.weights(member): self._models.kind(member) for member in members},
            *self._scored_patches(model),
            batch=self._models.patches_at_a_time(),
            views=self._models.views(model),
        )

    def _need_of_compression(self, model: str, slide: str, threads: int) -> Need:
        """An autoencoder on a slide's patches, to their latents or back."""
        return self._need_of_networks(
            slide,
            threads,
            {self._models.first_autoencoder(model): "histocae"},
            self._models.compression_grid(model),
            [],
            batch=self._config["compression"]["batch"],
            views=1,
        )

    def _need_of_networks(
        self,
        slide: str,
        threads: int,
        kinds: Mapping[str, str],
        grid: str,
        further_um: Sequence[float],
        *,
        batch: int | None,
        views: int,
    ) -> Need:
        """Networks on the patches of a grid; `kinds` by the file of each network's weights."""
        patch_px = GridSpec.from_name(grid).patch_px
        map_um = self._config["heatmap"]["spacing_um"]
        patches = self._patches_on(grid, slide)
        return scoring_need(
            list(kinds.values()),
            self._measured(slide, grid=grid, further_um=further_um, map_um=map_um),
            weights_mb=[bytes_of(weights) / 1e6 for weights in kinds],
            patch_px=patch_px,
            batch=batch,
            mpx=patches * patch_px**2 * (1 + len(further_um)) / 1e6,
            views=views,
            threads=threads,
            on_gpu=self._uses_gpu(),
        )

    def _grid_of_job(self, wildcards: Mapping) -> tuple[str | None, list[float]]:
        """Find the grid whose patches a job works on, and the further spacings of each patch."""
        if "grid" in wildcards:
            return wildcards["grid"], []
        if "patches" in wildcards:
            return split_patch_set(wildcards["patches"])
        if "model" in wildcards:
            return self._scored_patches(wildcards["model"])
        return None, []

    def _scored_patches(self, model: str) -> tuple[str, list[float]]:
        if self._models.kind(model) == "vote":  # has no grid of its own
            model = self._models.members(model)[0]
        return self._models.scoring_grid(model), self._models.further_um(model)

    def _measured(
        self,
        slide: str,
        *,
        grid: str | None,
        further_um: Sequence[float],
        map_um: float,
        readers: int = 1,
    ) -> dict[str, float]:
        """Find what the needs of a job with a slide depend on."""
        spec = GridSpec.from_name(grid) if grid else None
        return measure_work(
            self._extent(slide),
            map_um=map_um,
            truth_um=self._config["annotation"]["spacing_um"],
            opening_um=self._config["segmentation"]["opening_um"],
            patches=self._patches_on(grid, slide) if grid else 0,
            patch_px=spec.patch_px if spec else 0,
            spacings_um=[spec.spacing_um, *further_um] if spec else (),
            readers=readers,
            annotation_bytes=bytes_of(self._cohort.sheet[slide].get("annotation")),
        )

    def _patches_on(self, grid: str, slide: str) -> float:
        """Count the patches of a slide's grid; before it is made, as if all were tissue."""
        status = _grid_status(grid, slide)
        if status:
            return status.get("patches", 0)
        spec = GridSpec.from_name(grid)
        return self._extent(slide).mpx_at(spec.spacing_um) * 1e6 / spec.stride_px**2

    def _extent(self, slide: str) -> Extent:
        """Find how large a slide is: as inspected, else by its file's header, else a guess."""
        info = read_known(read_json, f"results/slides/{slide}.json")
        if info:
            return inspected_extent(info)
        probed = read_known(probe_slide, self._cohort.path(slide))
        if probed:
            given_um = self._cohort.sheet[slide].get("spacing_um")
            return probed_extent(probed, spacing_um=given_um)
        return UNKNOWN


def _grid_status(grid: str, slide: str) -> dict:
    """What the step that made a grid said of it; empty before."""
    return read_known(read_json, f"results/grids/{grid}/{slide}.json") or {}
