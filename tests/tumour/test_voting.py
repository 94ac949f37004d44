"""The class of a slide by the majority of its patches."""

import numpy as np
import pytest

from helpers.pictures import grid_of
from microtome.inference.score_store import Scores, write_scores
from microtome.rasters.label_tiff import write_array
from microtome.tumour.voting import count_right_votes, vote, vote_on_slide


def scores(*probabilities: float) -> Scores:
    """Make scores of a row of patches."""
    grid = grid_of([(0, i) for i in range(len(probabilities))], patch_px=8)
    return Scores(grid, np.array(probabilities, np.float32)[:, None, None], {})


def test_all_patches_vote_together():
    """Patches count alike, whatever their spacing: 3 of 4 and none of 2 are half of all."""
    members = {"fine": scores(0.9, 0.5, 0.6, 0.4), "coarse": scores(0.1, 0.2)}
    found = vote(members, majority="patches")
    assert found == {
        "class": "tumour",
        "patches": 6,
        "tumour_share": 0.5,
        "fine_patches": 4,
        "fine_tumour_share": 0.75,
        "coarse_patches": 2,
        "coarse_tumour_share": 0.0,
    }


def test_a_patch_of_which_half_is_tumour_votes_for_it():
    """Of a map of four px two are tumour."""
    maps = np.array([[[0.9, 0.9], [0.1, 0.1]]], np.float32)
    members = {"a": Scores(grid_of([(0, 0)], patch_px=8), maps, {})}
    assert vote(members, majority="patches")["tumour_share"] == 1


def test_each_classifier_has_one_voice():
    """Two coarse ones outvote the many patches of a fine one; a tie is tumour, silence nothing."""
    fine, tumour, silent = scores(*[0.1] * 9), scores(0.9), scores(np.nan)
    members = {"fine": fine, "coarse": tumour, "coarser": scores(0.6, 0.4)}
    assert vote(members, majority="patches")["class"] == "other"
    found = vote(members, majority="classifiers")
    assert (found["class"], found["coarser_tumour_share"]) == ("tumour", 0.5)
    assert found["tumour_share"] == pytest.approx(2 / 12)
    assert vote({"a": fine, "b": tumour}, majority="classifiers")["class"] == "tumour"
    assert vote({"a": fine, "b": silent}, majority="classifiers")["class"] == "other"
    assert vote({"a": silent}, majority="classifiers")["class"] == ""


def test_what_could_not_be_read_does_not_vote():
    """Unreadable patches are left out; a slide of such alone has no class."""
    members = {"a": scores(np.nan, np.nan, 0.1), "b": scores(np.nan)}
    found = vote(members, majority="patches")
    assert (found["class"], found["patches"], found["b_tumour_share"]) == ("other", 1, None)
    assert vote({"a": scores(np.nan)}, majority="patches")["class"] == ""


def test_right_votes_by_hand():
    """3 of 4 known slides are right; both tumours, one of two others; the fifth is not known."""
    truths = ("tumour", "tumour", "other", "other", "")
    called = ("tumour", "tumour", "tumour", "other", "tumour")
    rows = [{"truth": t, "class": c} for t, c in zip(truths, called, strict=True)]
    expected = {"slides": 4, "accuracy": 0.75, "recall_other": 0.5, "recall_tumour": 1.0}
    assert count_right_votes(rows) == expected
    assert count_right_votes(rows[-1:])["accuracy"] is None


@pytest.mark.parametrize(
    ("label", "truth", "expected"),
    [
        (None, None, ""),
        (None, [[0, 1], [1, 0]], "other"),  # whole tumour, none of it viable
        (None, [[0, 1], [1, 2]], "tumour"),
        ("negative", None, "other"),
        ("itc", None, "tumour"),
    ],
)
def test_the_truth_of_a_slide(tmp_path, label, truth, expected):
    """A label says it; else viable tumour in the truth map; else it is not known."""
    store, path = tmp_path / "a.zarr", None
    found = [(np.array([0]), {"probability": np.full((1, 1, 1), 0.9, np.float32)})]
    write_scores(store, found, grid_of([(0, 0)], patch_px=8), origin={})
    if truth:
        path = tmp_path / "a.tif"
        write_array(path, np.array(truth), spacing_um=1.0)
    settings = {"majority": "patches", "truth": path, "label": label}
    row = vote_on_slide(slide="a", scores={"m": store}, **settings)
    assert (row["slide"], row["truth"], row["class"]) == ("a", expected, "tumour")
