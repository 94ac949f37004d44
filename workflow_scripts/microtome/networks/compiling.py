"""Networks compiled for prediction, for batches of one shape."""

from collections.abc import Callable

import torch
from torch import nn

from microtome.logs import log


def compile_for(network: nn.Module, images: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """Compile a network for batches like `images`.

    The first one of a process takes about 20 s on a CPU, a further one 1 to 3 s. Where it cannot
    be done (no C++ compiler), the log says so, and the network is used as it is.

    The network is in evaluation mode and gives one tensor of shape (B, ...). The images (n, ...)
    are an example on its device: shape, layout in memory and type of what follows are those of it;
    only the batch may be smaller, and is filled up.
    """
    fast = torch.compile(network, dynamic=False)
    try:
        with torch.inference_mode():
            fast(images)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        lines = str(error).strip().splitlines()
        log.warning("torch.compile fails, going on without: %s", lines[0] if lines else error)
        return network

    def run(batch: torch.Tensor) -> torch.Tensor:
        n = len(batch)
        if n < len(images):
            batch = torch.cat([batch, images[n:]])
        return fast(batch)[:n]

    return run
