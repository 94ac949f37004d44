"""Where a network runs, and in which precision."""

from contextlib import AbstractContextManager, nullcontext

import torch

_AMPERE = (8, 0)  # the first cards with bfloat16; a V100 is (7, 0)


def default_device() -> torch.device:
    """The first GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def use_threads(threads: int) -> None:
    """Give PyTorch this many CPU threads and ask it for the same result every time."""
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False


def needs_loss_scaling(device: torch.device) -> bool:
    """Say whether gradients would underflow: in float16, so on a GPU without bfloat16."""
    return device.type == "cuda" and _precision() is torch.float16


def autocast(device: torch.device) -> AbstractContextManager:
    """Mixed precision on a GPU (bfloat16 where the card has it, else float16); float32 on a CPU."""
    if device.type != "cuda":
        return nullcontext()
    return torch.autocast("cuda", dtype=_precision())


def _precision() -> torch.dtype:
    # torch.cuda.is_bf16_supported() says yes on a V100, where bfloat16 is only emulated.
    return torch.bfloat16 if torch.cuda.get_device_capability() >= _AMPERE else torch.float16
