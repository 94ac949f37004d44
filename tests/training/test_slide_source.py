"""Training straight from the slides gives what training from their stores gives."""

import numpy as np
import pytest
import torch

from helpers.pictures import break_tile, grid_of, noise, write_store
from helpers.training_runs import inspected_slide
from microtome.errors import InputError
from microtome.patches.reading import read_patches
from microtome.slides.slide import Slide
from microtome.training import slide_source as slide_data
from microtome.training.batches import PatchData, Patches
from microtome.training.slide_source import slide_sources

PLACES = [(r, c) for r in range(3) for c in range(5)]
LABELS = [-1, 0, 1] * 5


@pytest.fixture(scope="module")
def slides(tmp_path_factory):
    """Write three slides; give each one's id, what it is found to be, and a grid on it."""
    folder = tmp_path_factory.mktemp("slides")
    result = []
    for seed, name in enumerate("abc"):
        info = inspected_slide(folder / f"{name}.svs", noise(200, 420, seed=seed))
        result.append((name, info, grid_of(PLACES, patch_px=32, stride_px=40, labels=LABELS)))
    return result


def data_of(slides, *, labelled: bool = False, workers: int = 1, **settings) -> Patches:
    """Take all patches of slides, or those of a label."""
    sources = slide_sources(slides, spacing_tolerance=0.02, **settings)
    return Patches(sources, labelled=labelled, workers=workers)


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("spacings_um", [(), (1.0, 2.0)])
def test_the_same_as_from_stores(tmp_path, slides, labelled, spacings_um):
    """The same batches, labels and slides, for one spacing or more, however many threads read."""
    paths = []
    for name, info, grid in slides:
        pixels = np.empty((len(grid), 1 + len(spacings_um), 32, 32, 3), np.uint8)
        with Slide(info["path"], name=name) as slide:
            for index, block in read_patches(slide, grid, spacings_um=spacings_um):
                pixels[index] = block if spacings_um else block[:, None]
        pixels = pixels if spacings_um else pixels[:, 0]
        path = tmp_path / f"{name}.zarr"
        paths.append(write_store(path, pixels, LABELS, spacings_um=spacings_um))
    stored = PatchData(paths, labelled=labelled, spacings_um=spacings_um)
    direct = data_of(slides, labelled=labelled, spacings_um=spacings_um, workers=4)
    assert direct.summary() == stored.summary()
    pairs = zip(
        direct.shuffled(7, seed=3, epoch=1), stored.shuffled(7, seed=3, epoch=1), strict=True
    )
    for (images, labels), (others, other_labels) in pairs:
        assert torch.equal(labels, other_labels)
        assert torch.equal(images, others)


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
    info = inspected_slide(tmp_path / "a.svs", noise(200, 420))
    break_tile(tmp_path / "a.svs", row=0, column=0)
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
