"""The step of scoring a slide, from files to a file; in a worker the networks stay loaded.

Who only asks a worker for it needs no PyTorch: what takes seconds to import is imported inside.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# The networks of the last slide, by what they are; no more, for the memory is the GPU's.
_LOADED: dict[str, Mapping[str, Any]] = {}


def score_step(
    *,
    scores: str | Path,
    name: str,
    model: str,
    slide_path: str | Path,
    inspected: str | Path,
    grid: str | Path,
    weights: Sequence[str | Path],
    members: Mapping[str, dict],
    entry: dict,
    slide_settings: dict,
    batch: int | None,
    map_um: float,
    white_from: int,
    compiled: bool,
    threads: int,
    gpus: int,
    allow_cpu: bool,
    scratch_dir: str | None,
) -> None:
    """Give every patch of a slide's grid a tumour probability and write the store `scores`.

    `members` are name and registry entry of each network, in the order of `weights`; `entry` is
    the model's own, with further spacings and test-time augmentations. InputError if there is no
    GPU, the weights are another network's, the slide has changed, or a network gives something that
    is not a number.
    """
    from microtome.inference.score_store import write_scores  # noqa: PLC0415
    from microtome.inference.scoring import score  # noqa: PLC0415
    from microtome.networks.devices import require_gpus, use_threads  # noqa: PLC0415
    from microtome.parallel.local_copies import copy_to_scratch  # noqa: PLC0415
    from microtome.patches.grid import Grid  # noqa: PLC0415
    from microtome.slides.inspection import open_inspected, read_inspected  # noqa: PLC0415

    require_gpus(gpus, allow_cpu=allow_cpu)
    use_threads(threads)
    info = read_inspected(inspected, slide_path=slide_path)
    patches = Grid.load(grid)
    networks = _networks(weights, members, compiled=compiled)
    with (
        copy_to_scratch({name: info}, folder=scratch_dir) as copies,
        open_inspected(info, name=name, read_from=copies.get(name), **slide_settings) as slide,
    ):
        parts = score(
            networks,
            slide,
            patches,
            batch=batch,
            map_um=map_um,
            augmentations=entry.get("test_time_augmentation", ()),
            spacings_um=entry.get("further_spacings_um", ()),
            epistemic=entry.get("epistemic", "views"),
            threads=threads,
            compiled=compiled,
            white_from=white_from,
        )
        origin = {"slide": name, "path": info["path"], "model": model}
        write_scores(scores, parts, patches, origin=origin)


def _networks(
    weights: Sequence[str | Path], members: Mapping[str, dict], *, compiled: bool
) -> Mapping[str, Any]:
    """Load networks, unless they are those of the last slide."""
    import torch  # noqa: PLC0415

    from microtome.networks.registry import load_members  # noqa: PLC0415

    if compiled:
        # After some shapes of batches PyTorch would go on uncompiled, with other last digits.
        torch.compiler.reset()
    paths = [Path(path).resolve() for path in weights]
    files = [[str(p), (state := p.stat()).st_mtime_ns, state.st_size] for p in paths]
    key = json.dumps([files, members])
    if key not in _LOADED:
        _LOADED.clear()
        torch.cuda.empty_cache()
        _LOADED[key] = load_members(weights, entries=members)
    return _LOADED[key]
