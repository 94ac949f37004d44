"""Turns and flips while predicting, and their inverses."""

import pytest
import torch

from microtome.inference.test_time_augmentation import NAMES, turn, turn_back

# By hand: a 2 x 2 picture, and what each name makes of it.
SQUARE = [[1, 2], [3, 4]]
TURNED = {
    "rotate_90": [[2, 4], [1, 3]],
    "rotate_180": [[4, 3], [2, 1]],
    "rotate_270": [[3, 1], [4, 2]],
    "flip_horizontal": [[2, 1], [4, 3]],
    "flip_vertical": [[3, 4], [1, 2]],
}


def test_by_hand():
    """Each name does what it says, to every image of a batch."""
    assert set(TURNED) == set(NAMES)
    for name, expected in TURNED.items():
        found = turn(torch.tensor([[SQUARE], [SQUARE]]), name)
        assert found.tolist() == [[expected], [expected]], name


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(5, 5), (2, 3, 8, 8), (2, 2, 3, 4, 4)])
def test_each_is_undone(name, shape):
    """What is turned and turned back is as it was, of images of any number of axes."""
    images = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    assert not torch.equal(turn(images, name), images)
    assert torch.equal(turn_back(turn(images, name), name), images)
