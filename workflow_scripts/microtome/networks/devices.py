"""Where a network runs, and in which precision."""

import os
import platform
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch

from microtome.errors import InputError
from microtome.logs import log

_AMPERE = (8, 0)  # the first cards with bfloat16; a V100 is (7, 0)


def default_device() -> torch.device:
    """The first GPU where there is one that this PyTorch has code for, else the CPU."""
    there = torch.cuda.is_available() and not _foreign_cards(1)
    return torch.device("cuda" if there else "cpu")


def require_gpus(n: int, *, allow_cpu: bool) -> None:
    """Require that a job that asked for `n` GPUs has them.

    With `allow_cpu` it goes on where there is none, and the log says so; else InputError, with the
    likely causes, if there are fewer that can be used.

    Examples
    --------
    >>> require_gpus(0, allow_cpu=False)
    """
    trouble = _trouble(n) if n else ""
    if not trouble:
        return
    n_there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    found = f"{n_there} GPU{'s' * (n_there > 1)}" if 0 < n_there < n else "no GPU"
    asked = "one was" if n == 1 else f"{n} were"
    text = f"{found} on {platform.node()}, though {asked} asked for; {trouble}"
    if not allow_cpu:
        raise InputError(f"{text}, or set allow_cpu: true to run on the CPU")
    if found == "no GPU":
        log.info("%s; running on the CPU", text)


def _trouble(n: int) -> str:
    """Why there are not `n` GPUs, in words that say what to do; empty if there are."""
    if torch.version.cuda is None and not torch.cuda.is_available():
        return f"torch {torch.__version__} is built without CUDA: install a build with it"
    if not torch.cuda.is_available() or torch.cuda.device_count() < n:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        visible = "not set" if visible is None else repr(visible)
        return (
            "see whether the partition has GPUs, the job's gres asks for as many"
            f" (CUDA_VISIBLE_DEVICES is {visible}), and the driver is new enough for CUDA"
            f" {torch.version.cuda}"
        )
    foreign = _foreign_cards(n)
    if foreign:
        return (
            f"torch {torch.__version__} has no code for {foreign[0]}: use another card or another"
            " build of torch"
        )
    return ""


def _foreign_cards(n: int) -> list[str]:
    """Those of the first `n` cards that this PyTorch has no code for."""
    built_for = torch.cuda.get_arch_list()
    versions = map(torch.cuda.get_device_capability, range(min(n, torch.cuda.device_count())))
    return [
        f"{torch.cuda.get_device_name(card)} (sm_{version[0]}{version[1]})"
        for card, version in enumerate(versions)
        if not _has_code(version, built_for)
    ]


def _has_code(version: tuple[int, int], built_for: Sequence[str]) -> bool:
    """Whether a card runs any of the builds: one of its generation, or one it can translate."""
    found = re.findall(r"(sm|compute)_(\d+)", " ".join(built_for))
    builds = [(kind, divmod(int(number), 10)) for kind, number in found]
    return not builds or any(
        build <= version and (kind == "compute" or build[0] == version[0]) for kind, build in builds
    )


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


def to_images(pixels: np.ndarray) -> torch.Tensor:
    """RGB uint8 (B, ..., H, W, 3) -> float32 (B, ..., 3, H, W) in [0, 1], channels last.

    Examples
    --------
    >>> images = to_images(np.full((1, 2, 2, 3), 255, np.uint8))
    >>> images.shape, images.max().item()
    (torch.Size([1, 3, 2, 2]), 1.0)
    """
    return as_input(torch.from_numpy(pixels).movedim(-1, -3))


def as_input(images: torch.Tensor, device: torch.device | str = "cpu") -> torch.Tensor:
    """Images uint8 -> float32 in [0, 1], in the same order in memory.

    They travel as bytes and become floats on the device: a fourth of the traffic, and no work for
    the CPU.
    """
    return images.to(device, non_blocking=True).float().div_(255)
