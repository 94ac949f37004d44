"""The workflow's steps on one slide, each as Snakemake would run its script.

    python bench/steps.py STEP SLIDE

Little is imported here, and nothing that draws: it would count as the step's memory.
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

_MODEL = "colour"


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
    wildcards: Named = field(
        default_factory=lambda: Named(slide="slide", model=_MODEL, grid="1um_256px_every256px")
    )
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


def _grid(slide: str) -> Job:
    config = _config()
    settings = {key: config.patches[key] for key in ("label_rule", "min_tumour_fraction")}
    return Job(
        Named(
            slide=slide,
            inspected="slide.json",
            earlier=["slide.json", "tissue.json"],
            tissue="tissue.tif",
        ),
        Named(status="grid.json", grid="grid.npz"),
        Named(slide=config.slide, code="", **settings),
    )


def _extract(slide: str) -> Job:
    config = _config()
    keys = ("jpeg_quality", "white_from", "max_white_fraction")
    return Job(
        Named(slide=slide, inspected="slide.json", grid="grid.npz"),
        Named(patches="patches.zarr"),
        Named(
            slide=config.slide,
            codec="raw",
            store={key: config.patches[key] for key in keys},
            min_tissue_fraction=config.patches["min_tissue_fraction"],
            code="",
        ),
    )


def _score(slide: str) -> Job:
    config = _config()
    entry = config.models[_MODEL]
    from microtome.registry import build_model, save_weights  # noqa: PLC0415 - brings PyTorch

    # Any weights do; half of what they find must be tumour for the later steps to have work.
    save_weights("weights.safetensors", build_model(entry), name=_MODEL, entry=entry, training={})
    return Job(
        Named(slide=slide, inspected="slide.json", grid="grid.npz", weights="weights.safetensors"),
        Named(scores="scores.zarr"),
        Named(slide=config.slide, entry=entry, batch=config.inference["batch"], code=""),
    )


def _stitch(slide: str) -> Job:
    config = _config()
    return Job(
        Named(slide=slide, inspected="slide.json", scores="scores.zarr"),
        Named(heatmap="heatmap.tif"),
        Named(slide=config.slide, spacing_um=config.heatmap["spacing_um"], code=""),
    )


def _segment(slide: str) -> Job:
    # Untrained weights say about 0.5 everywhere.
    segmentation = _config().segmentation | {"threshold": 0.0}
    return Job(
        Named(slide=slide, heatmap="heatmap.tif", tissue="tissue.tif"),
        Named(viable="viable.tif"),
        Named(segmentation=segmentation, code=""),
    )


def _burden(slide: str) -> Job:
    return Job(
        Named(slide=slide, viable="viable.tif", tissue="tissue.tif", scores="scores.zarr"),
        Named(burden="burden.json", tumour="tumour.tif"),
        Named(code=""),
    )


# Name of the script, and what it is given; in this order each finds what it needs.
STEPS: dict[str, Callable[[str], Job]] = {
    "inspect_slide": _inspect,
    "tissue_mask": _tissue,
    "patch_grid": _grid,
    "extract_patches": _extract,
    "score_slide": _score,
    "stitch_heatmap": _stitch,
    "segment": _segment,
    "tumour_burden": _burden,
}


def run_step(step: str, slide: str) -> None:
    """Run one step in this process and folder, and leave what it took in `step`.json.

    Peak memory is that of the process, plus that of the largest process it has started.
    """
    job = STEPS[step](slide)
    script = library.ROOT / "workflow_scripts" / f"{step}.py"
    began = time.perf_counter()
    runpy.run_path(str(script), init_globals={"snakemake": job})
    took = {"seconds": time.perf_counter() - began, "peak_mb": peak_mb()}
    Path(f"{step}.took.json").write_text(json.dumps(took))


if __name__ == "__main__":
    run_step(*sys.argv[1:])
