"""Training patches: the same order and turns for the same seed, each patch once."""

import os
import threading
import tracemalloc
from collections import Counter

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from helpers.pictures import stained, write_store
from microtome.errors import InputError
from microtome.networks.devices import as_input, to_images
from microtome.training.batches import PatchData, Patches, turned

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
    return [round(float(image.float().mean())) for images, _ in batches for image in images]


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
    points = image.permute(1, 2, 0).numpy()
    found = [torch.from_numpy(turned(points, code).copy()).permute(2, 0, 1) for code in range(8)]
    expected = {tuple(other.flatten().tolist()) for other in symmetries(image)}
    assert {tuple(other.flatten().tolist()) for other in found} == expected
    assert len(expected) == 8
    assert torch.equal(found[0], image)


def test_a_batch_is_what_its_parts_are(tmp_path):
    """Each image of a shuffled batch is its patch, turned by its own number."""
    pixels = stained([0, 1] * 10, side=8)
    data = PatchData([write_store(tmp_path / "a.zarr", pixels, [0, 1] * 10)], labelled=True)
    generator = np.random.default_rng([7, 2])
    order = np.arange(20, dtype=np.int32)
    generator.shuffle(order)
    turns = generator.integers(0, 8, 20, dtype=np.uint8)
    images = torch.cat([images for images, _ in data.shuffled(6, seed=7, epoch=2)])
    for image, i, code in zip(images, order, turns, strict=True):
        expected = torch.from_numpy(turned(pixels[i], int(code)).copy()).permute(2, 0, 1)
        assert torch.equal(image, expected)


def test_memory_of_a_batch(paths):
    """Images are bytes, channels last in memory, as networks take them."""
    for batches in (PatchData(paths, labelled=False).in_order(4), shuffled(paths, workers=1)):
        images, _ = next(iter(batches))
        assert images.dtype == torch.uint8
        assert images.shape[1:] == (3, SIDE, SIDE)
        assert images.is_contiguous(memory_format=torch.channels_last)


def shuffled(paths, **settings):
    """Batches of all patches."""
    return PatchData(paths, labelled=False, **settings).shuffled(4, seed=1, epoch=1)


@pytest.mark.parametrize("codec", ["raw", "jpeg"])
def test_the_same_batches_for_any_number_of_workers(tmp_path, codec):
    """How many threads read ahead changes nothing."""
    labels = [0, 1] * 20
    path = write_store(tmp_path / "a.zarr", stained(labels, side=16), labels, codec=codec)
    expected = list(shuffled([path], workers=0))
    for workers in (1, 2, 5):
        found = list(shuffled([path], workers=workers))
        assert len(found) == len(expected) == 10
        for (images, classes), (others, other_classes) in zip(found, expected, strict=True):
            assert torch.equal(images, others)
            assert torch.equal(classes, other_classes)


def test_stopping_early_leaves_no_thread(paths):
    """A training that is broken off leaves nothing running."""
    before = threading.active_count()
    for _ in shuffled(paths, workers=3):
        break
    assert threading.active_count() == before


def test_damage_is_told_to_whoever_trains(tmp_path):
    """A store that is cut off under the readers is an error in the training loop."""
    labels = [0, 1] * 20
    path = write_store(tmp_path / "a.zarr", stained(labels), labels)
    batches = shuffled([path], workers=2)
    os.truncate(path / "pixels" / "c.0.0.0.0", 0)
    with pytest.raises(InputError, match=f"^{path} is damaged .*; delete it and run again$"):
        list(batches)


def test_co_centred_spacings(tmp_path):
    """With further spacings a batch is (B, spacings, 3, H, W), all images of a patch turned alike.

    The images of one spacing are as contiguous as those of a store that has only that.
    """
    labels = [0, 1] * 5
    one = stained(labels, side=8)
    pixels = np.stack([one, one // 2, one // 4], axis=1)
    path = write_store(tmp_path / "a.zarr", pixels, labels, spacings_um=(1.0, 2.0))
    data = PatchData([path], labelled=True, spacings_um=(1.0, 2.0))
    for first, (images, classes) in enumerate(data.in_order(4)):
        expected = pixels[4 * first : 4 * first + 4]
        assert images.shape == (len(expected), 3, 3, 8, 8)
        for spacing in range(3):
            assert torch.equal(as_input(images[:, spacing]), to_images(expected[:, spacing].copy()))
            of_one = images[:, spacing]
            assert of_one.is_contiguous(memory_format=torch.channels_last)
        assert classes.tolist() == labels[4 * first : 4 * first + 4]
    for images, _ in data.shuffled(4, seed=0, epoch=0):
        assert torch.equal(images[:, 1], images[:, 0] // 2)
        assert torch.equal(images[:, 2], images[:, 0] // 4)
    assert next(data.in_order(2))[0].shape == (2, 3, 3, 8, 8)
    assert next(PatchData([path], labelled=True).in_order(2))[0].shape == (2, 3, 8, 8)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_with_processes(paths, workers):
    """It is a dataset for PyTorch's own loader, with worker processes too, after reading began."""
    data = PatchData(paths, labelled=False)
    assert len(list(data.in_order(4))) == 3
    loader = DataLoader(
        data, batch_size=4, num_workers=workers, multiprocessing_context="fork" if workers else None
    )
    found = list(loader)
    assert [pixels.shape for pixels, _ in found] == [(4, SIDE, SIDE, 3)] * 2 + [(3, SIDE, SIDE, 3)]
    assert all(pixels.dtype == torch.uint8 for pixels, _ in found)
    greys = [int(pixels.float().mean()) for batch, _ in found for pixels in batch]
    assert greys == list(range(10, 120, 10))
    expected = [label for labels in LABELS for label in labels]
    assert torch.cat([labels for _, labels in found]).tolist() == expected


def test_single_patches(paths):
    """Patches are had one by one, from either end, and no further."""
    data = PatchData(paths, labelled=False)
    assert len(data) == 11
    pixels, label = data[3]
    assert (int(pixels[0, 0, 0]), label) == (40, 1)
    assert int(data[-1][0][0, 0, 0]) == 110
    assert len(list(data)) == 11
    with pytest.raises(IndexError):
        data[11]


def test_stores_of_different_sizes(tmp_path):
    """Patches of two sizes make no batch: the slides are named."""
    paths = [
        write_store(tmp_path / f"{side}.zarr", stained([0, 1], side=side), [0, 1])
        for side in (8, 16)
    ]
    with pytest.raises(InputError, match="slide 8 are 8 px wide, of slide 16 16 px; delete"):
        PatchData(paths, labelled=True)


class Endless:
    """A slide with as many patches as one likes; none holds anything."""

    slide = "endless"
    shape = (1, SIDE, SIDE, 3)

    def __init__(self, n: int) -> None:
        self.label = np.zeros(n, np.int8)

    def read(self, row: int, out: np.ndarray) -> None:
        """Give the number of the patch."""
        out[...] = row % 251

    def identity(self) -> str:
        """Name it."""
        return self.slide


def test_ten_million_patches_fit():
    """Shuffling ten million patches of 1000 slides holds 11 bytes for each and no more."""
    n = 10_000
    sources = [Endless(n) for _ in range(1000)]
    tracemalloc.start()
    try:
        data = Patches(sources, labelled=True)
        images, _ = next(data.shuffled(64, seed=0, epoch=0))
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(data) == 10_000_000
    assert len(images) == 64
    assert most < 11 * len(data)


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


@pytest.mark.parametrize("of", [2, 3])
def test_shares_of_several_processes(paths, of):
    """The shares of all processes are the batches of one, nothing twice and nothing left out."""
    data = PatchData(paths, labelled=False)
    for whole, make in (
        (list(data.in_order(4)), lambda share: data.in_order(4, share=share)),
        (
            list(data.shuffled(4, seed=1, epoch=2)),
            lambda share: data.shuffled(4, seed=1, epoch=2, share=share),
        ),
    ):
        shares = zip(*(make((number, of)) for number in range(of)), strict=True)
        for (images, labels), parts in zip(whole, shares, strict=True):
            for number, (mine, classes) in enumerate(parts):
                assert torch.equal(mine, images[number::of])
                assert torch.equal(classes, labels[number::of])


def test_a_last_batch_that_does_not_reach_every_process(tmp_path):
    """Five patches in batches of four: the fifth is left out, for it alone is no batch."""
    path = write_store(tmp_path / "a.zarr", stained([0, 1, 0, 1, 0], side=8), [0, 1, 0, 1, 0])
    data = PatchData([path], labelled=True)
    assert [len(images) for images, _ in data.shuffled(4, seed=0, epoch=1)] == [4]
    path = write_store(tmp_path / "b.zarr", stained([0, 1] * 3, side=8), [0, 1] * 3)
    data = PatchData([path], labelled=True)
    assert [len(i) for i, _ in data.shuffled(4, seed=0, epoch=1, share=(0, 3))] == [2]
    assert [len(i) for i, _ in data.shuffled(4, seed=0, epoch=1, share=(0, 2))] == [2, 1]


def test_balanced_batches(tmp_path):
    """Half of an epoch is tumour; none of the few is missing, none of the many comes twice."""
    labels = [1] * 3 + [0] * 37
    pixels = np.stack([np.full((SIDE, SIDE, 3), 6 * i + 1, np.uint8) for i in range(40)])
    data = PatchData([write_store(tmp_path / "a.zarr", pixels, labels)], labelled=True)

    def epoch(n: int) -> list[int]:
        batches = data.shuffled(4, seed=0, epoch=n, balanced=True)
        return [(grey - 1) // 6 for grey in greys(batches)]

    seen = Counter(epoch(1))
    assert sum(seen.values()) == 40
    assert sorted(seen[i] for i in range(3)) == [6, 7, 7]
    assert {seen[i] for i in range(3, 40)} == {0, 1}
    assert sum(seen[i] for i in range(3, 40)) == 20
    assert epoch(1) == epoch(1)
    assert epoch(1) != epoch(2)


class Marks:
    """A truth that says of each patch which it is, and where its upper left corner is."""

    def read(self, row: int, out: np.ndarray) -> None:
        """Give the number of the patch, and 255 in the corner."""
        out[...] = row
        out[0, 0] = 255


def test_truths_instead_of_labels(tmp_path):
    """With truths a batch holds the truth of every px, turned as its patch is."""
    pixels = np.zeros((6, SIDE, SIDE, 3), np.uint8)
    pixels += np.arange(6, dtype=np.uint8)[:, None, None, None]
    pixels[:, 0, 0] = 255
    path = write_store(tmp_path / "a.zarr", pixels, [0, 1] * 3)
    data = PatchData([path], labelled=True, truths=[Marks()])
    for batches in (data.in_order(4), data.shuffled(3, seed=1, epoch=1)):
        for images, truths in batches:
            assert truths.shape == (len(images), SIDE, SIDE)
            assert truths.dtype == torch.uint8
            assert torch.equal(truths, images[:, 0])


def test_one_further_spacing_alone(tmp_path):
    """An autoencoder of a further spacing is trained on that spacing alone."""
    labels = [0, 1] * 2
    one = stained(labels, side=8)
    pixels = np.stack([one, one // 2, one // 4], axis=1)
    path = write_store(tmp_path / "a.zarr", pixels, labels, spacings_um=(1.0, 2.0))
    data = PatchData([path], labelled=False, spacings_um=(2.0,), own=False)
    images, _ = next(data.in_order(4))
    assert torch.equal(images, torch.from_numpy(one // 4).permute(0, 3, 1, 2))
