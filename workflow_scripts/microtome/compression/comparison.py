"""The autoencoders of a run side by side: how near their reconstructions come to test patches."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from microtome.compression.psnr import psnr_db

_SHOWN = 4
_PARTS = {"mse": "MSE", "ssim": "SSIM", "mae": "MAE"}


@dataclass(frozen=True)
class Example:
    """A patch and what an autoencoder makes of it.

    `original` and `reconstruction` are RGB, (side, side, 3), uint8, `latents` (h, w, depth),
    float32; `ssim` is that of the pair.
    """

    slide: str
    ssim: float
    original: np.ndarray
    reconstruction: np.ndarray
    latents: np.ndarray


@dataclass(frozen=True)
class Reconstructions:
    """What an autoencoder makes of the patches of some slides: its row of the table, and examples.

    Autoencoders that see the same slides at one spacing have the same examples.
    """

    row: dict
    fold: int | None
    examples: list[Example]


def describe_loss(weights: Mapping[str, float]) -> str:
    """Write a reconstruction loss as a sum.

    Examples
    --------
    >>> describe_loss({"mse": 0.5, "ssim": 0, "mae": 0.25})
    '0.5 MSE + 0.25 MAE'
    """
    return " + ".join(f"{weights[key]:g} {name}" for key, name in _PARTS.items() if weights[key])


def read_reconstructions(
    autoencoders: Iterable[Mapping], files: Iterable[str | Path]
) -> list[Reconstructions]:
    """Put together what the autoencoders of a run make of their slides.

    Parameters
    ----------
    autoencoders : iterable of mapping
        Of each ``model``, ``fold`` (None without), ``spacing_um``, ``patch_px``,
        ``reconstruction_loss``, ``downsampling`` and its ``slides``, by name.
    files : iterable of path
        What `microtome.compression.reconstruction.reconstruct_patches` wrote, of each autoencoder
        and slide, in this order.

    Returns
    -------
    list of Reconstructions
        Rows have ``model``, ``spacing_um``, ``patch_px``, ``loss``, ``downsampling``, the numbers
        of ``slides`` and ``patches``, ``ssim`` and ``ssim_sd``, mean and sample standard deviation
        over the patches, and ``psnr_db`` of all px; None where it is not defined.
    """
    files = iter(files)
    found = []
    for one in autoencoders:
        parts = [np.load(next(files), allow_pickle=False) for _ in one["slides"]]
        row = {key: one[key] for key in ("model", "spacing_um", "patch_px")}
        row |= {
            "loss": describe_loss(one["reconstruction_loss"]),
            "downsampling": one["downsampling"],
            "slides": len(parts),
            **_measure(parts),
        }
        examples = _choose_examples(one["slides"], parts)
        found.append(Reconstructions(row, one["fold"], examples))
    return found


def _measure(parts: Sequence[Mapping[str, np.ndarray]]) -> dict:
    ssim, squared = (
        np.concatenate([np.empty(0), *(part[key] for part in parts)])
        for key in ("ssim", "squared_error")
    )
    return {
        "patches": len(ssim),
        "ssim": float(ssim.mean()) if len(ssim) else None,
        "ssim_sd": float(ssim.std(ddof=1)) if len(ssim) > 1 else None,
        "psnr_db": psnr_db(float(squared.mean())) if len(ssim) else None,
    }


def _choose_examples(
    slides: Sequence[str], parts: Sequence[Mapping[str, np.ndarray]]
) -> list[Example]:
    """Take the first example of each slide, then the second of each, until there are enough."""
    all_of_them = [
        (i, slide, part)
        for i in range(_SHOWN)
        for slide, part in zip(slides, parts, strict=True)
        if i < len(part["example"])
    ]
    return [
        Example(
            slide,
            float(part["ssim"][part["example"][i]]),
            *(part[key][i] for key in ("original", "reconstruction", "latents")),
        )
        for i, slide, part in all_of_them[:_SHOWN]
    ]
