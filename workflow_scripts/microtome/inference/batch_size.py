"""How many patches go through a network at a time."""

from collections.abc import Callable

import torch

# On a CPU more px at a time are slower (measured with HistoCAE): large layers get fresh memory from
# the system each time.
_CPU_PX = 8 * 256 * 256
_GPU_SHARE = 0.8  # of what is free; the rest is for what the allocator cannot use
_MOST = 256


def fitting_batch(
    work: Callable[[torch.Tensor], object], patch_shape: tuple[int, ...], device: torch.device
) -> int:
    """Find how many patches to take at a time.

    `work` is what is done to a batch, float32 on `device`; the shape of one patch is (3, side,
    side), or (spacings, 3, side, side). On a GPU two patches are tried, one after the other and
    together, and the rest of its memory is divided by what the second one took; a CPU's number
    follows from the size.

    Examples
    --------
    >>> fitting_batch(torch.nn.Identity(), (3, 256, 256), torch.device("cpu"))
    8
    """
    if device.type != "cuda":
        n_px = patch_shape[-1] * patch_shape[-2]
        return max(1, _CPU_PX // n_px)
    peaks = [_peak_bytes(work, (n, *patch_shape), device) for n in (1, 2)]
    free, _ = torch.cuda.mem_get_info(device)
    each = max(1, peaks[1] - peaks[0])
    return int(min(_MOST, max(1, 1 + (free * _GPU_SHARE - peaks[0]) // each)))


def _peak_bytes(
    work: Callable[[torch.Tensor], object], shape: tuple[int, ...], device: torch.device
) -> int:
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    try:
        work(torch.zeros(shape, device=device))
    except torch.OutOfMemoryError:
        # What follows halves down to what fits, or says that nothing does.
        return torch.cuda.max_memory_allocated(device) - before
    finally:
        torch.cuda.synchronize(device)
    found = torch.cuda.max_memory_allocated(device) - before
    torch.cuda.empty_cache()
    return found
