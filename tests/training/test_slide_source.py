"""Training straight from the slides gives what training from their stores gives."""

import os

import numpy as np
import pytest
import torch

from helpers.pictures import break_tile, grid_of, noise, write_slide
from microtome.errors import InputError
from microtome.patches.reading import read_patches
from microtome.patches.store import write_patches
from microtome.slides.inspection import inspect
from microtome.slides.slide import Slide
from microtome.training import slide_source as slide_data
from microtome.training.batches import PatchData
from microtome.training.slide_source import SlideData

PLACES = [(r, c) for r in range(3) for c in range(5)]
LABELS = [-1, 0, 1] * 5


@pytest.fixture(scope="module")
def slides(tmp_path_factory):
    """Write three slides; give each one's id, what it is found to be, and a grid on it."""
    folder = tmp_path_factory.mktemp("slides")
    result = []
    for seed, name in enumerate("abc"):
        path = write_slide(folder / f"{name}.svs", noise(200, 420, seed=seed))
        info = inspect(name=name, row={"path": path}, spacing_tolerance=0.02)
        result.append((name, info, grid_of(PLACES, patch_px=32, stride_px=40, labels=LABELS)))
    return result


def data_of(slides, **settings) -> SlideData:
    """Take all patches of slides, or those of a label."""
    return SlideData(slides, **{"labelled": False, "spacing_tolerance": 0.02, **settings})


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("spacings_um", [(), (1.0, 2.0)])
def test_the_same_as_from_stores(tmp_path, slides, labelled, spacings_um):
    """With and without stores: the same batches, labels and slides, for one spacing or more."""
    paths = []
    for name, info, grid in slides:
        paths.append(tmp_path / f"{name}.zarr")
        with Slide(info["path"], name=name) as slide:
            write_patches(
                paths[-1],
                read_patches(slide, grid, spacings_um=spacings_um),
                grid,
                origin={"slide": name},
                codec="raw",
                jpeg_quality=90,
                threads=1,
                white_from=256,
                max_white_fraction=0.5,
                spacings_um=spacings_um,
            )
    stored = PatchData(paths, labelled=labelled, spacings_um=spacings_um)
    direct = data_of(slides, labelled=labelled, spacings_um=spacings_um)
    assert direct.summary() == stored.summary()
    pairs = zip(
        direct.shuffled(7, seed=3, epoch=1), stored.shuffled(7, seed=3, epoch=1), strict=True
    )
    for (images, labels), (others, other_labels) in pairs:
        assert torch.equal(labels, other_labels)
        assert torch.equal(images, others)


def test_workers_change_nothing(slides):
    """Several threads that read give the batches of none."""
    expected = list(data_of(slides, workers=0).shuffled(4, seed=0, epoch=0))
    found = list(data_of(slides, workers=4).shuffled(4, seed=0, epoch=0))
    assert all(torch.equal(a, b) for (a, _), (b, _) in zip(found, expected, strict=True))


def test_few_slides_are_open(slides, monkeypatch):
    """However many slides there are, so many are open at a time, the last used."""
    monkeypatch.setattr(slide_data, "_MOST_OPEN", 2)
    closed = []
    close = Slide.close
    monkeypatch.setattr(Slide, "close", lambda slide: closed.append(slide.name) or close(slide))
    data = data_of(slides, workers=0)
    assert len(list(data.in_order(15))) == 3
    assert closed == ["a"]
    assert len(list(data.in_order(15))) == 3
    assert closed == ["a", "b", "c", "a"]


def test_a_patch_that_cannot_be_read(tmp_path):
    """A broken tile is an error that names slide and place and says what to do."""
    path = write_slide(tmp_path / "a.svs", noise(200, 420))
    info = inspect(name="a", row={"path": path}, spacing_tolerance=0.02)
    break_tile(path, row=0, column=0)
    data = data_of([("a", info, grid_of([(0, 1)], patch_px=32))])
    with pytest.raises(InputError, match=r"^slide a: .*x=.*; leave the slide out, or train on"):
        list(data.in_order(1))


def test_identity_changes_with_what_is_read(slides):
    """Another grid, spacing or slide is other data; the same is not."""
    identity = data_of(slides).identity()
    assert data_of(slides).identity() == identity
    assert data_of(slides[:2]).identity() != identity
    assert data_of(slides, spacings_um=(2.0,)).identity() != identity
    name, info, grid = slides[0]
    assert data_of([(name, info, grid.subset(np.arange(9)))]).identity() != identity


def test_a_slide_that_changed(slides, tmp_path):
    """A file that is no longer the one that was inspected is found when it is opened."""
    path = write_slide(tmp_path / "a.svs", noise(200, 420))
    info = inspect(name="a", row={"path": path}, spacing_tolerance=0.02)
    os.truncate(path, path.stat().st_size + 10)
    data = data_of([("a", info, slides[0][2])])
    with pytest.raises(InputError, match="another size than when it was inspected"):
        list(data.in_order(4))
