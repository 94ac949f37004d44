"""The workflow's steps on one slide, each as Snakemake would run its script.

    python bench/steps.py STEP SLIDE

Little is imported here, and nothing that draws: it would count as the step's memory. Scoring and
stitching come twice: with a network that gives a patch one value, and with one that gives a map
of it, three convolutions. Neither is deep, so that a slide of 32000 px takes seconds; a deeper one
takes more memory, on slides of any size.
"""

import json
import runpy
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import library
import yaml
from peers.common import peak_mb

_MODEL, _FCN = "colour", "fcn"
# What the three convolutions would be in the config.
_FCN_ENTRY = {"kind": _FCN, "spacing_um": 1.0, "patch_px": 512}
_TRAINING_GRID = "1um_256px_every256px"
_SCORING_GRIDS = {_MODEL: "1um_256px_every128px", _FCN: "1um_512px_every256px"}


class Named(dict):
    """What a script sees of one part of its rule: values by name, or by number."""

    def __getattr__(self, name: str) -> object:
        """A value by its name."""
        return self[name]

    def __getitem__(self, key: str | int) -> object:
        """A value by its name or number."""
        return list(self.values())[key] if isinstance(key, int) else super().__getitem__(key)


@dataclass
class Job:
    """The object `snakemake` that a script expects."""

    input: Named
    output: Named
    params: Named
    wildcards: Named = field(default_factory=lambda: Named(slide="slide", model=_MODEL))
    log: Named = field(default_factory=lambda: Named(log="log.txt"))
    threads: int = 2


def _config() -> Named:
    return Named(yaml.safe_load((library.ROOT / "config.yaml").read_text()))


def _inspect(slide: str) -> Job:
    row = {"path": slide, "spacing_um": None}
    return Job(
        Named(slide=slide),
        Named(status="slide.json"),
        Named(row=row, slide=_config().slide, code=""),
    )


def _tissue(slide: str) -> Job:
    config = _config()
    return Job(
        Named(slide=slide, inspected="slide.json"),
        Named(status="tissue.json", mask="tissue.tif", overview="overview.jpg"),
        Named(slide=config.slide, tissue=config.tissue, code=""),
    )


def _training_grid(slide: str) -> Job:
    return _grid(slide, _TRAINING_GRID, "grid")


def _scoring_grid(slide: str) -> Job:
    return _grid(slide, _SCORING_GRIDS[_MODEL], f"grid-{_MODEL}")


def _fcn_grid(slide: str) -> Job:
    return _grid(slide, _SCORING_GRIDS[_FCN], f"grid-{_FCN}")


def _grid(slide: str, grid: str, stem: str) -> Job:
    config = _config()
    settings = {key: config.patches[key] for key in ("label_rule", "min_tumour_fraction")}
    return Job(
        Named(
            slide=slide,
            inspected="slide.json",
            earlier=["slide.json", "tissue.json"],
            tissue="tissue.tif",
        ),
        Named(status=f"{stem}.json", grid=f"{stem}.npz"),
        Named(slide=config.slide, code="", **settings),
        Named(slide="slide", grid=grid),
    )


def _extract(slide: str) -> Job:
    config = _config()
    keys = ("jpeg_quality", "white_from", "max_white_fraction")
    return Job(
        Named(slide=slide, inspected="slide.json", grid="grid.npz"),
        Named(patches="patches.zarr"),
        Named(
            slide=config.slide,
            spacings_um=[],
            codec="raw",
            store={key: config.patches[key] for key in keys},
            min_tissue_fraction=config.patches["min_tissue_fraction"],
            code="",
        ),
    )


def _score(slide: str) -> Job:
    return _scored(slide, _MODEL, _config().models[_MODEL])


def _score_fcn(slide: str) -> Job:
    from windows import NETWORKS  # noqa: PLC0415 - likewise

    from microtome.networks import registry  # noqa: PLC0415 - brings PyTorch

    registry._BUILDERS[_FCN] = lambda entry, pretrained: NETWORKS[_FCN]()
    return _scored(slide, _FCN, _FCN_ENTRY)


def _scored(slide: str, model: str, entry: dict) -> Job:
    config = _config()
    from microtome.networks.registry import build_model, save_weights  # noqa: PLC0415 - brings PyTorch

    # Any weights do; half of what they find must be tumour for the later steps to have work.
    weights = f"{model}.safetensors"
    save_weights(weights, build_model(entry), name=model, entry=entry, training={})
    return Job(
        Named(slide=slide, inspected="slide.json", grid=f"grid-{model}.npz", weights=[weights]),
        Named(scores=f"{model}.zarr"),
        Named(
            slide=config.slide,
            entry=entry,
            members={model: entry},
            batch=None,
            compiled=config.inference["compiled"],
            heatmap_um=config.heatmap["spacing_um"],
            code="",
        ),
        Named(slide="slide", model=model),
    )


def _stitch(slide: str) -> Job:
    return _stitched(_MODEL)


def _stitch_fcn(slide: str) -> Job:
    return _stitched(_FCN)


def _stitched(model: str) -> Job:
    config = _config()
    return Job(
        Named(inspected="slide.json", tissue="tissue.tif", scores=f"{model}.zarr"),
        Named(heatmap=f"{model}.tif"),
        Named(
            member=None,
            spacing_um=config.heatmap["spacing_um"],
            blending=config.inference["blending"],
            slide=config.slide,
            code="",
        ),
        Named(slide="slide", model=model),
    )


def _burden(slide: str) -> Job:
    # Untrained weights say about 0.5 everywhere.
    segmentation = _config().segmentation | {"threshold": 0.0}
    return Job(
        Named(heatmap=f"{_MODEL}.tif", tissue="tissue.tif", scores=f"{_MODEL}.zarr"),
        Named(burden="burden.json", tumour="tumour.tif"),
        Named(segmentation=segmentation, code=""),
        Named(slide=slide),
    )


# By name: the script, and what it is given; in this order each finds what it needs.
STEPS: dict[str, tuple[str, Callable[[str], Job]]] = {
    "inspect_slide": ("inspect_slide", _inspect),
    "tissue_mask": ("tissue_mask", _tissue),
    "patch_grid": ("patch_grid", _training_grid),
    "extract_patches": ("extract_patches", _extract),
    "patch_grid, half overlapping": ("patch_grid", _scoring_grid),
    "score_slide": ("score_slide", _score),
    "stitch_heatmap": ("stitch_heatmap", _stitch),
    "patch_grid, 512 px": ("patch_grid", _fcn_grid),
    "score_slide, maps": ("score_slide", _score_fcn),
    "stitch_heatmap, maps": ("stitch_heatmap", _stitch_fcn),
    "tumour_burden": ("tumour_burden", _burden),
}
# What scoring and stitching leave on the disk, by the grid that it is of.
ON_DISK = {
    model: (f"grid-{model}.npz", f"{model}.zarr", f"{model}.tif") for model in (_MODEL, _FCN)
}


def run_step(step: str, slide: str) -> None:
    """Run one step in this process and folder, and leave what it took in ``took.json``.

    Peak memory is that of the process, plus that of the largest process it has started.
    """
    script, make_job = STEPS[step]
    job = make_job(slide)
    (path,) = (library.ROOT / "workflow_scripts" / "jobs").glob(f"*/{script}.py")
    began = time.perf_counter()
    runpy.run_path(str(path), init_globals={"snakemake": job})
    took = {"seconds": time.perf_counter() - began, "peak_mb": peak_mb()}
    Path("took.json").write_text(json.dumps(took))


if __name__ == "__main__":
    run_step(*sys.argv[1:])
