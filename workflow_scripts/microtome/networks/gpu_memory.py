"""Smaller batches where the memory of the GPU ends."""

import torch

from microtome.errors import InputError
from microtome.logs import log


def make_room(error: torch.OutOfMemoryError, *, retry: str, refusal: str = "") -> None:
    """Free what the GPU holds, for a smaller batch than the one that did not fit.

    The log then says `retry`: how it goes on. InputError with `refusal`, why and what to do, where
    the batch cannot be smaller.

    Examples
    --------
    >>> make_room(torch.OutOfMemoryError(), retry="", refusal="one patch is too much; lower it")
    Traceback (most recent call last):
    microtome.errors.InputError: one patch is too much; lower it
    """
    if refusal:
        raise InputError(refusal) from error
    log.warning("%s", retry)
    torch.cuda.empty_cache()


def halve_batch(
    n: int, error: torch.OutOfMemoryError, *, one: str = "patch", many: str = "patches", lower: str
) -> int:
    """Halve how many images, called `one` and `many`, are scored at a time.

    InputError if a single one did not fit: it names what to `lower`.
    """
    make_room(
        error,
        retry=f"{n} {many} do not fit into the memory of the GPU: going on with {n // 2}; lower"
        " inference.batch to be rid of this",
        refusal=f"a single {one} does not fit into the memory of the GPU; lower {lower}"
        if n == 1
        else "",
    )
    return n // 2
