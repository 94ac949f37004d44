"""Training patches: the same order and turns for the same seed, each patch once."""

import os
import tracemalloc
from collections import Counter
from functools import partial

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from helpers.pictures import stained, write_store
from helpers.training_runs import order_and_turns, patch_data
from microtome.errors import InputError
from microtome.networks.devices import as_input, to_images
from microtome.training.batches import PatchData, Patches, turn

LABELS = [0, 1, -1, 1, 0], [-1, -1], [1, 0, 0, 0]
GREYS = list(range(10, 120, 10))  # each patch has one of its own
SIDE = 4


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """Write three stores of 5, 2 and 4 patches."""
    folder = tmp_path_factory.mktemp("stores")
    greys = iter(GREYS)
    return [
        write_store(
            folder / f"{name}.zarr",
            np.stack([np.full((SIDE, SIDE, 3), next(greys), np.uint8) for _ in labels]),
            labels,
        )
        for name, labels in zip("abc", LABELS, strict=True)
    ]


@pytest.fixture
def data(paths):
    """Open all their patches, labelled or not."""
    return PatchData(paths, labelled=False)


def greys_of(batches) -> list[int]:
    """Which patches batches hold, by their grey."""
    return [round(float(image.float().mean())) for images, _ in batches for image in images]


def require_equal(found, expected) -> None:
    """Two rows of batches hold the same, bit for bit."""
    for batch, other in zip(found, expected, strict=True):
        assert all(torch.equal(part, wanted) for part, wanted in zip(batch, other, strict=True))


def test_patches_in_the_order_of_the_stores(data):
    """Without labels every patch counts, also of a slide that is not annotated."""
    assert (len(data), data.slides) == (11, ["a", "b", "c"])
    assert greys_of(data.in_order(4)) == GREYS
    assert [len(images) for images, _ in data.in_order(4)] == [4, 4, 3]
    np.testing.assert_array_equal(data.labels, np.concatenate(LABELS))


def test_unlabelled_patches_teach_no_classifier(paths):
    """With labels, patches without one are left out, and slides that have no other."""
    data = PatchData(paths, labelled=True)
    assert greys_of(data.in_order(3)) == [10, 20, 40, 50, 80, 90, 100, 110]
    labels = torch.cat([labels for _, labels in data.in_order(3)])
    assert (labels.tolist(), labels.dtype) == ([0, 1, 1, 0, 1, 0, 0, 0], torch.int64)
    assert data.summary() == {"slides": ["a", "c"], "patches": 8, "tumour_patches": 3}


def test_a_last_batch_of_one_is_left_out_and_changes(data):
    """Batch norm needs two patches: the eleventh is left out, another one each epoch."""
    left_out = set()
    for epoch in range(1, 9):
        batches = list(data.shuffled(5, seed=0, epoch=epoch))
        assert [len(images) for images, _ in batches] == [5, 5]
        left_out |= {*GREYS} - {*greys_of(batches)}
    assert len(left_out) > 3


@pytest.mark.parametrize(
    ("n", "share", "sizes"), [(5, (0, 1), [4]), (6, (0, 3), [2]), (6, (0, 2), [2, 1])]
)
def test_a_last_batch_that_does_not_reach_every_process(tmp_path, n, share, sizes):
    """In batches of four, five or six patches: a last batch with none for some is left out."""
    data = patch_data(tmp_path / "a.zarr", [0, 1, 0, 1, 0, 1][:n])
    assert [len(i) for i, _ in data.shuffled(4, seed=0, epoch=1, share=share)] == sizes


def test_eight_symmetries():
    """The numbers 0 to 7 are the eight symmetries of a square, each another one."""
    image = np.arange(3 * 3 * 2).reshape(3, 3, 2)
    quarters = [np.rot90(image, n) for n in range(4)]
    expected = {other.tobytes() for quarter in quarters for other in (quarter, quarter[::-1])}
    assert {turn(image, code).tobytes() for code in range(8)} == expected
    assert len(expected) == 8
    np.testing.assert_array_equal(turn(image, 0), image)


@pytest.mark.parametrize(("seed", "epoch"), [(7, 2), (7, 3), (8, 2)])
def test_a_shuffled_batch_is_what_its_parts_are(tmp_path, seed, epoch):
    """Order and turns follow from seed and epoch alone; each patch comes once, with its label."""
    labels = [0, 1] * 10
    pixels = stained(labels, side=8)
    data = patch_data(tmp_path / "a.zarr", labels, pixels)
    order, turns = order_and_turns(20, seed=seed, epoch=epoch)
    batches = list(data.shuffled(6, seed=seed, epoch=epoch))
    assert [len(images) for images, _ in batches] == [6, 6, 6, 2]
    found, classes = (torch.cat(parts) for parts in zip(*batches, strict=True))
    assert classes.tolist() == [labels[i] for i in order]
    for image, i, code in zip(found, order, turns, strict=True):
        np.testing.assert_array_equal(image.permute(1, 2, 0), turn(pixels[i], int(code)))


@pytest.mark.parametrize("codec", ["raw", "jpeg"])
def test_the_same_batches_for_any_number_of_workers(tmp_path, codec):
    """How many threads read ahead changes nothing."""
    labels = [0, 1] * 20
    path = write_store(tmp_path / "a.zarr", stained(labels, side=16), labels, codec=codec)
    expected, *others = (
        list(PatchData([path], labelled=True, workers=n).shuffled(4, seed=1, epoch=1))
        for n in (0, 1, 2, 5)
    )
    assert len(expected) == 10
    for found in others:
        require_equal(found, expected)


def test_damage_is_told_to_whoever_trains(tmp_path):
    """A store that is cut off under the readers is an error in the training loop."""
    path = tmp_path / "a.zarr"
    batches = patch_data(path, [0, 1] * 20, workers=2).shuffled(4, seed=1, epoch=1)
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
    path = tmp_path / "a.zarr"
    data = patch_data(path, labels, pixels, spacings_um=(1.0, 2.0))
    for first, (images, classes) in enumerate(data.in_order(4)):
        assert images.dtype == torch.uint8
        expected = pixels[4 * first : 4 * first + 4]
        assert images.shape == (len(expected), 3, 3, 8, 8)
        for spacing in range(3):
            of_one = images[:, spacing]
            rgb = torch.from_numpy(expected[:, spacing]).permute(0, 3, 1, 2) / 255
            assert torch.equal(as_input(of_one), rgb)
            assert torch.equal(to_images(expected[:, spacing].copy()), rgb)
            assert of_one.is_contiguous(memory_format=torch.channels_last)
        assert classes.tolist() == labels[4 * first : 4 * first + 4]
    for images, _ in data.shuffled(4, seed=0, epoch=0):
        assert images[:, 1].is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(images[:, 1], images[:, 0] // 2)
        assert torch.equal(images[:, 2], images[:, 0] // 4)
    of_each = {(): one, (2.0,): one // 4}  # the patches' own spacing, or one further alone
    for further, expected in of_each.items():
        data = PatchData([path], labelled=False, spacings_um=further, own=not further)
        images, _ = next(data.in_order(10))
        assert images.is_contiguous(memory_format=torch.channels_last)
        np.testing.assert_array_equal(images.permute(0, 2, 3, 1), expected)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_with_processes(data, workers):
    """It is a dataset for PyTorch's own loader, with worker processes too, after reading began."""
    assert len(list(data.in_order(4))) == 3
    context = "fork" if workers else None
    found = list(
        DataLoader(data, batch_size=4, num_workers=workers, multiprocessing_context=context)
    )
    assert [pixels.shape for pixels, _ in found] == [(4, SIDE, SIDE, 3)] * 2 + [(3, SIDE, SIDE, 3)]
    assert all(pixels.dtype == torch.uint8 for pixels, _ in found)
    assert greys_of(found) == GREYS
    assert torch.cat([labels for _, labels in found]).tolist() == [*np.concatenate(LABELS)]


def test_single_patches(data):
    """Patches are had one by one, from either end, and no further."""
    assert [int(data[i][0][0, 0, 0]) for i in (3, -1)] == [40, 110]
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
    """A slide with as many patches as one likes; each holds its own number."""

    slide = "endless"
    shape = (1, SIDE, SIDE, 3)

    def __init__(self, n: int) -> None:
        self.label = np.zeros(n, np.int8)

    def read(self, row: int, out: np.ndarray) -> None:
        """Give the number of the patch."""
        out[...] = row % 251


def test_ten_million_patches_fit():
    """Shuffling ten million patches of 1000 slides holds 11 bytes for each and no more."""
    sources = [Endless(10_000) for _ in range(1000)]
    tracemalloc.start()
    try:
        data = Patches(sources, labelled=True)
        images, _ = next(data.shuffled(64, seed=0, epoch=0))
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (len(data), len(images)) == (10_000_000, 64)
    assert most < 11 * len(data)


@pytest.mark.parametrize(
    ("labels", "counts"),
    [([0, 0], "0 tumour and 2"), ([1, 1, 1, -1], "3 tumour and 0"), ([], "0 tumour and 0")],
)
def test_one_class_is_not_enough(tmp_path, labels, counts):
    """A class that is missing is an error that says how many there are and where to look."""
    data = patch_data(tmp_path / "a.zarr", labels)
    text = (
        f"^models.m: training: {counts} non-tumour patches from {min(1, len(labels))} slides; both"
        " classes are needed: check column annotation and split of the slide sheet$"
    )
    with pytest.raises(InputError, match=text):
        data.require_both_classes("models.m: training")


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
@pytest.mark.parametrize("seeds", [{}, {"seed": 1, "epoch": 2}], ids=["in order", "shuffled"])
def test_shares_of_several_processes(data, of, seeds):
    """The shares of all processes are the batches of one, nothing twice and nothing left out."""
    batches = partial(data.shuffled if seeds else data.in_order, 4, **seeds)
    shares = zip(*(batches(share=(number, of)) for number in range(of)), strict=True)
    for whole, parts in zip(batches(), shares, strict=True):
        require_equal(parts, [[part[number::of] for part in whole] for number in range(of)])


def test_balanced_batches(tmp_path):
    """Half of an epoch is tumour; none of the few is missing, none of the many comes twice."""
    labels = [1] * 3 + [0] * 37
    pixels = np.stack([np.full((SIDE, SIDE, 3), 6 * i + 1, np.uint8) for i in range(40)])
    data = patch_data(tmp_path / "a.zarr", labels, pixels)

    def epoch(n: int) -> list[int]:
        batches = data.shuffled(4, seed=0, epoch=n, balanced=True)
        return [(grey - 1) // 6 for grey in greys_of(batches)]

    seen = Counter(epoch(1))
    assert sum(seen.values()) == 40
    assert sorted(seen[i] for i in range(3)) == [6, 7, 7]
    assert {seen[i] for i in range(3, 40)} == {0, 1}
    assert epoch(1) == epoch(1) != epoch(2)
