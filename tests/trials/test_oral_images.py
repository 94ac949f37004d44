"""The trial's images: the same field is found however it was cut, and kept in one group."""

import numpy as np
import pytest
from PIL import Image

from helpers.pictures import noise
from oral_images import correlations, load_images


def field(seed: int) -> np.ndarray:
    """Draw a field of 96 px that looks like no other, with structure that survives shrinking."""
    return np.kron(noise(24, 24, seed=seed), np.ones((4, 4, 1), np.uint8)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Write fields of both classes: one overlaps another, one is there under both labels."""
    for name in ("Normal", "OSCC"):
        (tmp_path / name).mkdir()
    wide = field(1)
    files = {
        "Normal/a.jpg": wide[:64, :64],
        "Normal/b.jpg": wide[16:80, 16:80],
        "Normal/c.jpg": field(2)[:64, :64],
        "Normal/d.jpg": field(3)[:64, :64],
        "OSCC/e.jpg": np.rot90(field(3)[:64, :64]),
        "OSCC/f.jpg": field(4)[:64, :64],
    }
    for name, pixels in files.items():
        Image.fromarray(np.ascontiguousarray(pixels)).save(tmp_path / name, quality=95)
    return tmp_path


def test_images_are_grouped_by_field_and_contradictions_left_out(folder):
    """Two cuts of one field share a group; a picture under both labels, turned, teaches nothing."""
    images, left_out = load_images(folder, side_px=32)
    assert left_out == ["d.jpg", "e.jpg"]
    assert images.names == ["a.jpg", "b.jpg", "c.jpg", "f.jpg"]
    assert images.label.tolist() == [0, 0, 0, 1]
    assert images.pixels.shape == (4, 32, 32, 3)
    assert images.group[0] == images.group[1]
    assert len(set(images.group.tolist())) == 3


def test_correlations_are_those_of_numpy():
    """Whole images as numpy.corrcoef has it, over all symmetries; empty ones are like none."""
    first, second = noise(32, 32, seed=5)[..., 0], noise(32, 32, seed=6)[..., 0]
    grey = np.stack([first, second, np.fliplr(np.rot90(first)), np.full((32, 32), 200, np.uint8)])
    whole, shifted = correlations(grey)
    turns = [np.rot90(a, k) for a in (first, np.fliplr(first)) for k in range(4)]
    expected = max(np.corrcoef(turn.ravel(), second.ravel())[0, 1] for turn in turns)
    assert whole[0, 1] == pytest.approx(expected)
    assert whole[0, 2] == pytest.approx(1)
    assert whole[3].max() == shifted[3, :3].max() == 0
