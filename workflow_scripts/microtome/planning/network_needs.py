"""Memory and time of scoring, training and compression: the steps with networks."""

from collections.abc import Mapping, Sequence

from microtome.planning.needs import Need

# By kind of network: MB of its weights where these are not there yet, MB for a Mpx that goes
# through it at a time, s a Mpx and view.
_NETWORKS = {
    "colour": (1, 200, 0.1),
    "histocae": (50, 500, 1.0),
    "mr_histocae": (100, 500, 1.0),
    "classifier": (560, 2500, 8.0),
    "segmenter": (250, 2500, 8.0),
}
_PYTORCH_MB, _PYTORCH_S = 740, 15
_USUAL_MPX_AT_A_TIME = 0.53
_WEIGHTS_WHILE_LOADED = 2
# Not measured on a GPU: a tenth of a CPU's time, and what CUDA holds of the node's memory.
_GPU_TIMES, _CUDA_MB = 0.1, 3000
# Forward, backward and validation, of one forward pass; memory of gradients and optimizer, of the
# weights; what is kept for the way back, of what a forward pass holds.
_TRAINING_S, _TRAINING_WEIGHTS, _TRAINING_MB = 5, 4, 2.5


def scoring_need(
    kinds: Sequence[str],
    measured: Mapping[str, float],
    *,
    weights_mb: Sequence[float],
    patch_px: int,
    batch: int | None,
    mpx: float,
    views: int,
    threads: int,
    on_gpu: bool,
) -> Need:
    """What it takes to put the patches of a slide through networks of some kinds.

    `measured` is what `measure_work` gives for the slide with its patches. `weights_mb` of a
    network is 0 where it is still to be trained. `batch` patches go through at a time, if unset as
    many as are good for a CPU, each `views` times; `mpx` is that of all images of all patches.
    From two `threads` on another process reads ahead.
    """
    processes = min(threads, 2)
    patch_mpx = patch_px**2 / 1e6
    at_a_time = batch * patch_mpx if batch else max(_USUAL_MPX_AT_A_TIME, patch_mpx)
    working = _CUDA_MB if on_gpu else max(_NETWORKS[kind][1] for kind in kinds) * at_a_time
    weights = sum(mb or _NETWORKS[kind][0] for kind, mb in zip(kinds, weights_mb, strict=True))
    held = _PYTORCH_MB + _WEIGHTS_WHILE_LOADED * weights + 14 * measured["image"]
    computing = mpx * views * sum(_NETWORKS[kind][2] for kind in kinds)
    return Need(
        processes * held + working,
        _PYTORCH_S + 0.03 * measured["patches"] + computing * (_GPU_TIMES if on_gpu else 1),
    )


def training_need(
    kind: str,
    *,
    patches: float,
    mpx_of_patch: float,
    epochs: int,
    batch: int,
    gpus: int,
    on_gpu: bool,
) -> Need:
    """What it takes to train a network of a kind; `mpx_of_patch` with all images of a patch."""
    weights_mb, mb, s = _NETWORKS[kind]
    working = _CUDA_MB if on_gpu else _TRAINING_MB * mb * batch * mpx_of_patch
    each = _PYTORCH_MB + _TRAINING_WEIGHTS * weights_mb + working + patches * 1e-4
    computing = patches * mpx_of_patch * epochs * s * _TRAINING_S
    return Need(each * gpus, _PYTORCH_S + computing * (_GPU_TIMES / gpus if on_gpu else 1))
