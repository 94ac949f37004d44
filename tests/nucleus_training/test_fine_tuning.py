"""Supervised training: truths of windows, what stands still, and stages that go on alike."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from helpers.training_runs import KilledError, same
from microtome.errors import InputError
from microtome.networks.registry import build_model
from microtome.nucleus_images.label_images import write_label_image
from microtome.nucleus_images.labelled_image import LabelledImage
from microtome.nucleus_images.point_tables import write_point_table
from microtome.nucleus_training import fine_tuning
from microtome.nucleus_training.fine_tuning import fine_tune, learnt_layers
from microtome.nucleus_training.image_windows import (
    open_image_windows,
    require_positives,
    window_starts,
)
from microtome.nucleus_training.objectives import log_likelihood
from microtome.training.random_placement import Move, Moves

SIZED = {"reduction": 4, "width": 0.02, "sparsity_percent": 8.0, "spacing_um": 0.5, "patch_px": 20}
CAE = {"kind": "crosswise", "variant": "crosswise", **SIZED}
TRAINING = {"epochs": 4, "batch": 4, "optimizer": "sgd", "learning_rate": 0.01, "momentum": 0.9}
DETECTOR = {
    "kind": "nucleus_detector",
    "network": "crosswise",
    "start": "cae",
    "training": {**TRAINING, "new_layers_epochs": 2},
    "seed": 1,
    **SIZED,
}
CLASSIFIER = {**DETECTOR, "kind": "nucleus_classifier", "attributes": ["round", "large"]}
SEGMENTER = {**DETECTOR, "kind": "nucleus_segmenter", "reduction": 1}


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> LabelledImage:
    """Draw an image of 50 x 46 px with five dark nuclei of 6 px, their points and labels."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    pixels = np.full((46, 50, 3), (230, 160, 200), np.uint8) - rng.integers(
        0, 20, (46, 50, 3), dtype=np.uint8
    )
    corners = [(2, 3), (8, 30), (20, 12), (30, 40), (38, 22)]
    labels = np.zeros((46, 50), np.int32)
    for number, (row, column) in enumerate(corners, 1):
        labels[row : row + 6, column : column + 6] = number
    pixels[labels > 0] = (90, 50, 140)
    Image.fromarray(pixels).save(folder / "a.png")
    write_label_image(folder / "a_labels.png", labels)
    write_point_table(folder / "a.csv", np.array([(c + 3.0, r + 3.0) for r, c in corners]))
    return LabelledImage(
        "a",
        folder / "a.png",
        0.5,
        nuclei=folder / "a.csv",
        labels=folder / "a_labels.png",
        attributes=("large",),
    )


def windows_of(image: LabelledImage, entry: dict, **settings):
    """Open the windows of one image."""
    return open_image_windows([image], entry, workers=1, **settings)


@given(st.integers(20, 300), st.integers(1, 60))
def test_windows_cover_a_side(side_px, stride_px):
    """They begin and end with it, and are no further apart than the stride."""
    starts = window_starts(side_px, window_px=20, stride_px=stride_px)
    assert (starts[0], starts[-1] + 20) == (0, side_px)
    assert (np.diff(starts) <= stride_px).all()
    assert (np.diff(starts) > 0).all()


@pytest.mark.parametrize("radius_um", [0.0, 3.0])
def test_truth_of_a_detector(image, radius_um):
    """A 1 at each location that holds a point, or is as near to one, whatever window it is in."""
    entry = {**DETECTOR, "truth_radius_um": radius_um}
    windows = windows_of(image, entry, stride_px=13)
    images, truths = next(windows.in_order(99))
    assert truths.shape == (len(windows), 5, 5)
    starts = [(r, c) for r in (0, 13, 26) for c in (0, 13, 26, 30)]
    points = image.read_points() / 0.5
    for (top, left), truth in zip(starts, truths, strict=True):
        expected = np.zeros((5, 5))
        for row, column in np.ndindex(5, 5):
            y, x = top + 4 * row, left + 4 * column
            for px, py in points:
                holds = x <= px < x + 4 and y <= py < y + 4
                near = math.hypot(px - x - 2, py - y - 2) * 0.5 <= radius_um
                expected[row, column] = expected[row, column] or holds or near
        np.testing.assert_array_equal(truth, expected)
    pixels = image.read_pixels()
    np.testing.assert_array_equal(images[5].permute(1, 2, 0), pixels[13:33, 13:33])


def test_nuclei_reach_three_micrometres_if_nothing_is_set(image):
    """That is 6 px at 0.5 µm per px, within which a detection is right."""
    usual, three = (
        next(windows_of(image, {**DETECTOR, **radius}).in_order(99))[1]
        for radius in ({}, {"truth_radius_um": 3.0})
    )
    assert torch.equal(usual, three)


def test_pixels_and_truth_are_moved_and_turned_alike(image):
    """In every window of an epoch what is dark is what the mask says, and no px is beyond."""
    windows = windows_of(image, SEGMENTER, stride_px=10, moves=Moves(shift_px=9))
    for images, truths in windows.shuffled(5, seed=1, epoch=1):
        assert torch.equal(images[:, 0] < 120, truths.bool())
    still = np.concatenate([t.numpy() for _, t in windows.in_order(5)])
    moved = np.concatenate([t.numpy() for _, t in windows.shuffled(5, seed=1, epoch=1)])
    assert still.sum() != moved.sum()


def test_truth_of_a_classifier(image):
    """Its attributes, for one window in the middle; a small image goes on as its mirror image."""
    images, truths = next(windows_of(image, CLASSIFIER).in_order(9))
    assert truths.tolist() == [[0, 1]]
    np.testing.assert_array_equal(images[0].permute(1, 2, 0), image.read_pixels()[13:33, 15:35])
    images, _ = next(windows_of(image, {**CLASSIFIER, "patch_px": 60}).in_order(9))
    expected = np.pad(image.read_pixels(), ((7, 7), (5, 5), (0, 0)), mode="symmetric")
    np.testing.assert_array_equal(images[0].permute(1, 2, 0), expected)


def test_a_share_of_the_labels(image):
    """25 % of twelve windows, the same for the same seed, each as it was among all."""
    every = windows_of(image, DETECTOR, stride_px=13)
    some = windows_of(image, DETECTOR, stride_px=13, labels_percent=25)
    assert len(some) == 3
    again = windows_of(image, DETECTOR, stride_px=13, labels_percent=25)
    other = windows_of(image, {**DETECTOR, "seed": 4}, stride_px=13, labels_percent=25)
    assert some.identity() == again.identity() != other.identity()
    pixels = {p.numpy().tobytes() for p in next(every.in_order(99))[0]}
    assert {p.numpy().tobytes() for p in next(some.in_order(99))[0]} < pixels


@pytest.mark.parametrize(
    ("entry", "changes", "words"),
    [
        ({**DETECTOR, "patch_px": 60}, {}, "^image a: has 50 x 46 px at 0.5 µm/px, and a window"),
        (CLASSIFIER, {"attributes": None}, "^the image sheet has no column attributes"),
        (SEGMENTER, {"labels": None}, "^image a: has no labels"),
    ],
)
def test_an_image_without_what_is_learnt(image, entry, changes, words):
    """The line names the image and what it lacks."""
    changed = LabelledImage(**{**vars(image), **changes})
    with pytest.raises(InputError, match=words):
        windows_of(changed, entry)


def test_an_attribute_that_no_image_has(image):
    """A word that was misspelt is not learnt to be never there."""
    with pytest.raises(InputError, match=r"^models.m.attributes: round is at 0 of 1 training"):
        require_positives("m", CLASSIFIER, [image])
    with pytest.raises(InputError, match="large is at 2 of 2 training images"):
        require_positives("m", {**CLASSIFIER, "attributes": ["large"]}, [image, image])


@pytest.fixture(scope="module")
def start() -> dict[str, torch.Tensor]:
    """Give the weights of an autoencoder."""
    return build_model(CAE, seed=9).state_dict()


def tune(image, folder: Path, start, entry=DETECTOR, **changes):
    """Fine-tune on one image, without validation."""
    train = windows_of(image, entry, stride_px=13)
    entry = {**entry, "training": {**entry["training"], **changes}}
    return fine_tune(
        "m",
        entry,
        train,
        open_image_windows([], entry, workers=1),
        start=start,
        checkpoint=folder / "c",
        code="x",
    )


def test_new_layers_learn_first(image, tmp_path, start):
    """In the first stage what comes from the autoencoder stands still, statistics and all."""
    model, _ = tune(image, tmp_path, start, epochs=1)
    state = model.state_dict()
    assert all(torch.equal(state[k], v) for k, v in start.items() if k in state)
    fresh = build_model(DETECTOR, seed=1).state_dict()
    assert not torch.equal(state["head.0.weight"], fresh["head.0.weight"])


def test_then_the_whole_network_learns(image, tmp_path, start):
    """After the first stage its weights move too; the threshold does not."""
    model, history = tune(image, tmp_path, start, epochs=3)
    state = model.state_dict()
    assert len(history) == 3
    assert not torch.equal(state["part1.0.weight"], start["part1.0.weight"])
    assert torch.equal(state["part5.threshold"], start["part5.threshold"])


def test_a_frozen_network_keeps_what_it_began_with(image, tmp_path, start):
    """CSP-CAE-MLP: only the layers on top learn, in all epochs."""
    model, _ = tune(image, tmp_path, start, {**DETECTOR, "frozen": True}, epochs=3)
    state = model.state_dict()
    assert all(torch.equal(state[k], v) for k, v in start.items() if k in state)


def test_a_network_of_random_weights_has_one_stage(image, tmp_path):
    """All its layers are new: the first ones learn from the first epoch on."""
    entry = {**DETECTOR, "start": None}
    model, _ = tune(image, tmp_path, None, entry, epochs=1)
    assert not len(learnt_layers(model))
    fresh = build_model(entry, seed=1).state_dict()
    assert not torch.equal(model.state_dict()["part1.0.weight"], fresh["part1.0.weight"])


@pytest.mark.parametrize("epoch", [2, 4])
def test_a_run_that_is_killed_in_either_stage(image, tmp_path, start, monkeypatch, epoch):
    """It goes on to the bytes of one that was not."""
    whole, history = tune(image, tmp_path / "whole", start)
    steps = 0

    def dying(model, images, labels):
        nonlocal steps
        steps += 1
        if steps == (epoch - 1) * 3 + 2:
            raise KilledError
        return log_likelihood(model, images, labels)

    monkeypatch.setattr(fine_tuning, "log_likelihood", dying)
    with pytest.raises(KilledError):
        tune(image, tmp_path / "killed", start)
    monkeypatch.setattr(fine_tuning, "log_likelihood", log_likelihood)
    resumed, continued = tune(image, tmp_path / "killed", start)
    assert continued == history
    assert same(whole.state_dict(), resumed.state_dict())


def test_other_weights_to_start_from_are_another_run(image, tmp_path, start):
    """A checkpoint of a run that began with other weights is not gone on with."""
    _, history = tune(image, tmp_path, start, epochs=1)
    other = build_model(CAE, seed=8).state_dict()
    _, anew = tune(image, tmp_path, other, epochs=1)
    assert anew != history
    with pytest.raises(InputError, match="weights to start from do not fit"):
        tune(image, tmp_path, {k: v for k, v in start.items() if "part2" not in k})


def test_too_few_windows(image, tmp_path):
    """One window has no variance: the line names model and keys."""
    one = windows_of(image, CLASSIFIER)
    with pytest.raises(InputError, match=r"^models\.m: training has 1 windows of labelled images"):
        fine_tune("m", CLASSIFIER, one, one, start=None, checkpoint=tmp_path / "c", code="x")


def test_a_move_goes_right_by_x_and_down_by_y(image):
    """Px and truth of the window at the corner, as far as the image goes."""
    pixels, labels = image.read_pixels(), image.read_labels()
    windows = open_image_windows([image], SEGMENTER, workers=1)
    (source,), (truth,) = windows._all, windows._truths
    found, true = np.empty((1, 20, 20, 3), np.uint8), np.empty((20, 20), np.uint8)
    for move, top, left in ((Move(x_px=3, y_px=7), 7, 3), (Move(x_px=90, y_px=-5), 0, 30)):
        source.read(0, found, move)
        truth.read(0, true, move)
        np.testing.assert_array_equal(found[0], pixels[top : top + 20, left : left + 20])
        np.testing.assert_array_equal(true, labels[top : top + 20, left : left + 20] > 0)
