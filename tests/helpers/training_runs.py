"""What tests of training share: patches to learn from, a tiny network, and runs that are killed."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from helpers.pictures import stained, write_slide, write_store
from microtome.slides.inspection import inspect
from microtome.training import kinds
from microtome.training.batches import PatchData
from microtome.training.loop import fit
from microtome.training.objectives import classification

FITTING = {"epochs": 4, "batch": 4, "learning_rate": 1e-2, "beta1": 0.05}
NOTHING = PatchData([], labelled=True)


def patch_data(
    path: Path, labels: list[int], pixels: np.ndarray | None = None, **settings
) -> PatchData:
    """Write a store of patches, drawn by their labels if they are unset, and open it."""
    pixels = stained(labels, seed=len(labels)) if pixels is None else pixels
    store = write_store(path, pixels, labels, spacings_um=settings.get("spacings_um", ()))
    return PatchData([store], **{"labelled": True, **settings})


def inspected_slide(path: Path, pixels: np.ndarray, **settings) -> dict:
    """Write a slide, and give what it is found to be."""
    row = {"path": write_slide(path, pixels, **settings)}
    return inspect(name=path.stem, row=row, spacing_tolerance=0.02)


def order_and_turns(n: int, *, seed: int, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw in which order an epoch takes n patches, and how each is turned."""
    generator = np.random.default_rng([seed, epoch])
    order = np.arange(n, dtype=np.int32)
    generator.shuffle(order)
    return order, generator.integers(0, 8, n, dtype=np.uint8)


def train_and_validation(folder: Path) -> list[PatchData]:
    """Write 11 patches to train on and 5 to validate: neither divides into batches of 4."""
    labels = [0, 1] * 5 + [1], [0, 1, 0, 1, 1]
    return [patch_data(folder / f"{len(some)}.zarr", some) for some in labels]


class Tiny(nn.Module):
    """An encoder with all that could differ after resuming, batch norm and dropout, and a head."""

    def __init__(self, *, dropout: float = 0.3) -> None:
        super().__init__()
        torch.manual_seed(11)
        convolution = nn.Conv2d(3, 5, 3, stride=2, padding=1)
        self.encoder = nn.Sequential(convolution, nn.ReLU(), nn.BatchNorm2d(5), nn.Dropout(dropout))
        self.head = nn.Sequential(
            nn.Conv2d(5, 6, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(6, 2),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B, 2)."""
        return self.head(self.encoder(images))


def train(
    data, checkpoint: Path, model: nn.Module | None = None, measured=classification, **changes
) -> tuple[dict, list]:
    """Fit a network, the tiny one if it is unset; give its weights and history."""
    model = model or Tiny()
    defaults = {"encoder": getattr(model, "encoder", None), "seed": 7, "identity": {}, **FITTING}
    history = fit(
        model,
        measured,
        train=data[0],
        validation=data[1],
        checkpoint=checkpoint,
        **{**defaults, **changes},
    )
    return {name: value.clone() for name, value in model.state_dict().items()}, history


def note_fit(monkeypatch: pytest.MonkeyPatch) -> dict:
    """Note what a model of the registry is trained with: its weights at the start, and options."""
    noted = {}

    def noting(model, *arguments, **options):
        noted.update(options, start={k: v.clone() for k, v in model.state_dict().items()})
        assert all(parameter.requires_grad for parameter in model.parameters())
        return fit(model, *arguments, **options)

    monkeypatch.setattr(kinds, "fit", noting)
    return noted


def same(first: dict, second: dict) -> bool:
    """Compare weights bit for bit."""
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def short_of_memory(fits: int):
    """Measure as `classification` does, but run out of memory training on more images at a time."""

    def measured(model, images, labels):
        if model.training and len(images) > fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return classification(model, images, labels)

    return measured


class KilledError(Exception):
    """What a test raises in the middle of training."""


def killed_in(epoch: int, *, n_train: int):
    """Measure as `classification` does, until the second step of an epoch, never finished."""
    steps_before = (epoch - 1) * math.ceil(n_train / FITTING["batch"])
    done = 0

    def measured(model, images, labels):
        nonlocal done
        if model.training:
            if done == steps_before + 1:
                raise KilledError
            done += 1
        return classification(model, images, labels)

    return measured
