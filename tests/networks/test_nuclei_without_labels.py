"""Trained on images alone, the autoencoder lets few places through: those of nuclei."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from microtome.networks.crosswise import CrosswiseCAE, Encoded

SIDE_PX, N_NUCLEI, RADIUS_PX = 80, 7, 5
SPARSITY_PERCENT = 1.6  # six of 20 x 20 locations are 1.5 %
TISSUE, NUCLEUS = np.array([0.9, 0.7, 0.85]), np.array([0.35, 0.2, 0.5])


def draw(n: int, rng: np.random.Generator) -> tuple[torch.Tensor, np.ndarray]:
    """Draw images with dark discs, (n, 3, 80, 80), and give the discs' middles, (n, 7, 2)."""
    px = np.arange(SIDE_PX) + 0.5
    middles = rng.uniform(4, SIDE_PX - 4, (n, N_NUCLEI, 2))
    x, y = middles[..., 0, None, None], middles[..., 1, None, None]
    distances = np.hypot(px - x, px[:, None] - y).min(axis=1)
    inside = 1 / (1 + np.exp(2 * (distances[..., None] - RADIUS_PX)))
    images = (TISSUE + inside * (NUCLEUS - TISSUE)).astype(np.float32)
    return torch.from_numpy(images).movedim(-1, 1), middles


@dataclass(frozen=True)
class Seen:
    """What is kept of images that training has not seen, and where their nuclei are."""

    kept: Encoded
    middles: np.ndarray


@pytest.fixture(scope="module")
def seen() -> Seen:
    """Train for seconds."""
    rng = np.random.default_rng(0)
    images, _ = draw(64, rng)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        cae = CrosswiseCAE(
            variant="crosswise", reduction=4, width=0.05, sparsity_percent=SPARSITY_PERCENT
        )
    optimizer = torch.optim.SGD(cae.parameters(), lr=0.05, momentum=0.9)
    for step in range(45):
        optimizer.param_groups[0]["lr"] = 0.05 * min(1, 2 - step / 22.5)
        batch = images[rng.choice(len(images), 2, replace=False)]
        error = (cae(batch) - batch).square().mean(dim=(1, 2, 3)).sqrt().mean()
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
    with torch.no_grad():  # the threshold and the batch norms come to rest
        for _ in range(20):
            cae.encode(images[rng.choice(len(images), 6, replace=False)])
        images, middles = draw(24, rng)
        return Seen(cae.eval().encode(images), middles)


def test_the_share_of_active_places(seen):
    """It is p within 0.3 points, in evaluation and on other images than those of training."""
    active = 100 * (seen.kept.detection > 0.5).float().mean()
    assert abs(active - SPARSITY_PERCENT) < 0.3


def test_the_detection_map_is_binary_in_practice(seen):
    """At most 1 % of the places are neither below .05 nor above .95."""
    between = (seen.kept.detection > 0.05) & (seen.kept.detection < 0.95)
    assert between.float().mean() <= 0.01


def test_no_map_is_active_where_nothing_is_detected(seen):
    """Crosswise: where D is below .05, every map of the foreground is near 0; elsewhere not."""
    detection = seen.kept.detection
    largest = seen.kept.foreground.abs().amax(dim=1, keepdim=True)
    off, on = (largest[places].mean() for places in (detection < 0.05, detection > 0.95))
    assert off < 0.01 * on


def test_active_places_are_nuclei(seen):
    """Nine in ten lie within 8 px of a nucleus, where no label ever said what that is."""
    n_active = n_near = 0
    for detection, middles in zip(seen.kept.detection[:, 0], seen.middles, strict=True):
        rows, columns = np.nonzero(detection.numpy() > 0.5)
        places = 4 * np.stack([columns, rows], axis=1) + 2
        n_active += len(places)
        n_near += (cdist(places, middles).min(axis=1) < 8).sum()
    # Of all places less than half are so near.
    assert n_near > 0.9 * n_active
