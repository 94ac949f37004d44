"""Threshold and offset of an autoencoder that has learned."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool2d

from microtome.networks.crosswise import CrosswiseCAE
from microtome.networks.sparsity import DetectionThreshold
from microtome.nucleus_training.settling import find_middle, measure_around, settle

TISSUE, NUCLEUS = (230, 160, 200), (90, 50, 140)


class Beside(nn.Module):
    """Fires, at reduction 4, so many locations right and below of what is dark in red."""

    variant, reduction, reach_px = "crosswise", 4, 12

    def __init__(self, right: int, down: int) -> None:
        super().__init__()
        self.moved = down, right
        self.part5 = DetectionThreshold(percent=1.0)
        self.weight = nn.Parameter(torch.zeros(1))
        self.register_buffer("offset_px", torch.full((2,), 99.0))

    def encode(self, images: torch.Tensor) -> None:  # noqa: D102
        self.part5(torch.roll(1 - avg_pool2d(images[:, :1], 4), self.moved, (2, 3)))


def draw_nuclei(n: int) -> torch.Tensor:
    """Draw n windows of 80 px with four dark squares of 4 px, aligned with locations, each."""
    rng = np.random.default_rng(0)
    pixels = np.full((n, 80, 80, 3), TISSUE, np.uint8)
    for window in pixels:
        for x, y in 4 * rng.integers(4, 16, (4, 2)):
            window[y : y + 4, x : x + 4] = NUCLEUS
    return torch.from_numpy(pixels).movedim(-1, 1)


@pytest.mark.parametrize(("right", "down"), [(0, 0), (1, 0), (-1, 2)])
def test_the_offset_points_from_what_fires_to_the_nucleus(right, down):
    """By as many px as the map is moved, the other way."""
    model = Beside(right, down)
    settle(model, draw_nuclei(24).split(8))
    assert model.offset_px.tolist() == [-4 * right, -4 * down]


def test_the_threshold_is_the_mean_of_the_percentiles():
    """Of 400 locations 1 % exceed the 396th lowest, plus .01 of the step to the next."""
    model = Beside(0, 0)
    values = torch.stack([torch.arange(400.0), torch.arange(400.0) * 3]).view(2, 1, 20, 20)
    model.encode = lambda images: model.part5(values)
    settle(model, [draw_nuclei(2)])
    assert model.part5.threshold.item() == pytest.approx(2 * 395.01, rel=1e-6)


def test_nothing_is_darker_anywhere():
    """On even images the offset is 0."""
    model = Beside(0, 0)
    settle(model, [torch.full((2, 3, 80, 80), 128, dtype=torch.uint8)])
    assert model.offset_px.tolist() == [0, 0]


@pytest.mark.parametrize("variant", ["sparse", "dense"])
def test_without_a_detection_map(variant):
    """There is no offset; with part 6 of SP-CNN, p % of its values pass in the end."""
    cae = CrosswiseCAE(variant=variant, reduction=4, width=0.05, sparsity_percent=3.0)
    images = draw_nuclei(6)
    settle(cae, [images])
    assert not cae.training
    assert cae.offset_px.tolist() == [0, 0]
    if variant == "sparse":
        with torch.no_grad():
            active = (cae.encode(images / 255).foreground > 0).float().mean()
        assert 100 * active.item() == pytest.approx(3.0, abs=0.3)


def test_px_beyond_an_image_do_not_count():
    """A location in a corner sees a fourth of what is around it."""
    fires = torch.zeros(1, 3, 3, dtype=torch.bool)
    fires[0, 0, 0] = True
    total, n = measure_around(torch.ones(1, 6, 6), fires, reach_px=2)
    assert total.shape == (6, 6)
    assert torch.equal(total, n)
    assert n[2:, 2:].eq(1).all()
    assert n.sum() == 16


def test_another_nucleus_nearby_does_not_count():
    """Only the piece around the highest px is weighed."""
    mean = np.zeros((9, 9))
    mean[3:6, 3:6] = 1.0
    mean[4, 4] = 1.5
    mean[0, 8] = 0.9
    assert find_middle(mean, ground=0.0) == (0.0, 0.0)
