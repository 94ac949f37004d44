"""Training patches: the same order and turns for the same seed, each patch once."""

import os

import numpy as np
import pytest
import torch

from microtome.datasets import PatchData, turn
from microtome.errors import InputError
from microtome.images import to_images
from pictures import stained, write_store

LABELS = [0, 1, -1, 1, 0], [-1, -1], [1, 0, 0, 0]
SIDE = 4


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """Write three stores of 5, 2 and 4 patches; each patch has a grey of its own."""
    folder = tmp_path_factory.mktemp("stores")
    greys = iter(range(10, 250, 10))
    result = []
    for name, labels in zip("abc", LABELS, strict=True):
        pixels = np.stack([np.full((SIDE, SIDE, 3), next(greys), np.uint8) for _ in labels])
        result.append(write_store(folder / f"{name}.zarr", pixels, labels))
    return result


def greys(batches) -> list[int]:
    """Which patches batches hold, by their grey."""
    return [round(float(image.mean()) * 255) for images, _ in batches for image in images]


def test_patches_in_the_order_of_the_stores(paths):
    """Without labels every patch counts, also of a slide that is not annotated."""
    data = PatchData(paths, labelled=False)
    assert len(data) == 11
    assert data.slides == ["a", "b", "c"]
    assert greys(data.in_order(4)) == list(range(10, 120, 10))
    assert [len(images) for images, _ in data.in_order(4)] == [4, 4, 3]
    np.testing.assert_array_equal(data.labels, np.concatenate(LABELS))


def test_unlabelled_patches_teach_no_classifier(paths):
    """With labels, patches without one are left out, and slides that have no other."""
    data = PatchData(paths, labelled=True)
    assert greys(data.in_order(3)) == [10, 20, 40, 50, 80, 90, 100, 110]
    labels = torch.cat([labels for _, labels in data.in_order(3)])
    assert labels.tolist() == [0, 1, 1, 0, 1, 0, 0, 0]
    assert labels.dtype == torch.int64
    assert data.summary() == {"slides": ["a", "c"], "patches": 8, "tumour_patches": 3}


def test_every_patch_once_an_epoch(paths):
    """An epoch shows each patch with its own label, once, in another order."""
    data = PatchData(paths, labelled=False)
    batches = list(data.shuffled(3, seed=1, epoch=1))
    assert [len(images) for images, _ in batches] == [3, 3, 3, 2]
    assert sorted(greys(batches)) == list(range(10, 120, 10))
    assert greys(batches) != list(range(10, 120, 10))
    by_grey = dict(zip(range(10, 120, 10), data.labels, strict=True))
    labels = torch.cat([labels for _, labels in batches]).tolist()
    assert labels == [by_grey[grey] for grey in greys(batches)]


def test_order_follows_from_seed_and_epoch(paths):
    """The same seed and epoch give the same order, another of either another one."""
    data = PatchData(paths, labelled=False)
    order = greys(data.shuffled(4, seed=1, epoch=1))
    assert greys(PatchData(paths, labelled=False).shuffled(4, seed=1, epoch=1)) == order
    assert greys(data.shuffled(4, seed=1, epoch=2)) != order
    assert greys(data.shuffled(4, seed=2, epoch=1)) != order
    torch.manual_seed(5)
    assert greys(data.shuffled(4, seed=1, epoch=1)) == order


def test_a_last_batch_of_one_is_left_out_and_changes(paths):
    """Batch norm needs two patches: the eleventh is left out, another one each epoch."""
    data = PatchData(paths, labelled=False)
    left_out = set()
    for epoch in range(1, 9):
        batches = list(data.shuffled(5, seed=0, epoch=epoch))
        assert [len(images) for images, _ in batches] == [5, 5]
        left_out |= set(range(10, 120, 10)) - set(greys(batches))
    assert len(left_out) > 3


def test_turns_follow_from_seed_and_epoch(tmp_path):
    """The same seed and epoch turn each patch alike; over epochs all eight turns come up."""
    path = write_store(tmp_path / "a.zarr", stained([0, 1] * 4, side=8), [0, 1] * 4)
    data = PatchData([path], labelled=True)

    def epoch(n: int) -> torch.Tensor:
        return torch.cat([images for images, _ in data.shuffled(4, seed=3, epoch=n)])

    assert torch.equal(epoch(1), epoch(1))
    originals = torch.cat([images for images, _ in data.in_order(8)])
    seen = {_which_turn(image, originals) for n in range(1, 13) for image in epoch(n)}
    assert {code for _, code in seen} == set(range(8))


def symmetries(image: torch.Tensor) -> list[torch.Tensor]:
    """Make the eight symmetries of (C, side, side): turns, and turns of the mirror image."""
    quarter = [image]
    for _ in range(3):
        quarter.append(quarter[-1].transpose(1, 2).flip(1))
    return quarter + [turned.flip(2) for turned in quarter]


def _which_turn(image: torch.Tensor, originals: torch.Tensor) -> tuple[int, int]:
    found = [
        (i, code)
        for i, original in enumerate(originals)
        for code, turned in enumerate(symmetries(original))
        if torch.equal(image, turned)
    ]
    assert len(found) == 1
    return found[0]


def test_eight_symmetries():
    """The numbers 0 to 7 are the eight symmetries of a square, each another one."""
    image = torch.arange(2 * 9.0).reshape(2, 3, 3)
    found = turn(image.expand(8, -1, -1, -1), np.arange(8))
    expected = {tuple(turned.flatten().tolist()) for turned in symmetries(image)}
    assert {tuple(turned.flatten().tolist()) for turned in found} == expected
    assert len(expected) == 8
    assert torch.equal(found[0], image)


def test_each_image_gets_its_own_turn():
    """In a batch the turns are not mixed up."""
    images = torch.rand(6, 3, 5, 5)
    codes = np.array([7, 0, 3, 3, 5, 1])
    together = turn(images, codes)
    alone = [turn(images[i : i + 1], codes[i : i + 1])[0] for i in range(6)]
    assert torch.equal(together, torch.stack(alone))


def test_images_of_pixels():
    """RGB bytes become channels first in [0, 1]."""
    pixels = np.zeros((1, 2, 3, 3), np.uint8)
    pixels[0, 1, 2] = (255, 51, 0)
    images = to_images(pixels)
    assert images.shape == (1, 3, 2, 3)
    assert images.dtype == torch.float32
    assert images[0, :, 1, 2].tolist() == pytest.approx([1.0, 0.2, 0.0])


@pytest.mark.parametrize(
    ("labels", "counts"),
    [([0, 0], "0 tumour and 2"), ([1, 1, 1, -1], "3 tumour and 0"), ([], "0 tumour and 0")],
)
def test_one_class_is_not_enough(tmp_path, labels, counts):
    """A class that is missing is an error that says how many there are and where to look."""
    path = write_store(tmp_path / "a.zarr", stained(labels), labels)
    data = PatchData([path], labelled=True)
    text = (
        f"^models.m: training: {counts} non-tumour patches from {min(1, len(labels))} slides; both"
        " classes are needed: check column annotation and split of the slide sheet$"
    )
    with pytest.raises(InputError, match=text):
        data.require_both_classes("models.m: training")


def test_both_classes_are_enough(paths):
    """One patch of each is accepted."""
    PatchData(paths, labelled=True).require_both_classes("x")


def test_no_stores_is_no_data():
    """Validation may be empty."""
    data = PatchData([], labelled=True)
    assert len(data) == 0
    assert list(data.in_order(4)) == []
    assert data.summary() == {"slides": [], "patches": 0, "tumour_patches": 0}


def test_identity_changes_with_the_stores(tmp_path):
    """A store written anew, or another one added, is other data; the same ones are not."""
    first, second = (
        write_store(tmp_path / f"{n}.zarr", stained([0, 1]), [0, 1]) for n in ("a", "b")
    )
    identity = PatchData([first], labelled=True).identity()
    assert PatchData([first], labelled=True).identity() == identity
    assert PatchData([first, second], labelled=True).identity() != identity
    written = (first / "zarr.json").stat().st_mtime_ns
    write_store(first, stained([0, 1], seed=1), [0, 1])
    os.utime(first / "zarr.json", ns=(written + 10**9, written + 10**9))
    assert PatchData([first], labelled=True).identity() != identity
