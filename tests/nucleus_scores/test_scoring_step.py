"""Scores of models by kind, from files, and thresholds: numbers by hand."""

import json

import numpy as np
import pytest

from microtome.errors import InputError
from microtome.nucleus_scores.scoring_step import score_model
from microtome.nucleus_scores.threshold_step import choose_threshold
from nucleus_scores.labelled_images import write_found, write_images

DETECTOR = {"kind": "nucleus_detector"}


def score(
    entry: dict, rows: list[dict], predictions, tested: list[tuple[str, str]], **settings
) -> dict:
    """Score a model `m`; `tested` are image and part."""
    given = {"threshold": 0.5, "chosen": None, "match_um": 3.0} | settings
    pairs = [{"image": image, "part": part} for image, part in tested]
    return score_model("m", entry, rows=rows, predictions=predictions, tested=pairs, **given)


@pytest.fixture
def detected(tmp_path):
    """Three images: two nuclei, one, none; and what was found on them."""
    rows = write_images(
        tmp_path,
        {
            "a": {"points": [(2, 2), (15, 5)]},
            "b": {"points": [(10, 5)]},
            "c": {"points": []},
        },
    )
    found = {
        "a": {"found": [(2, 4, 0.9), (2, 3, 0.6), (15, 5, 0.4)]},
        "b": {"found": [(10, 8, 0.8)]},
        "c": {"found": [(1, 1, 0.7)]},
    }
    return rows, write_found(tmp_path, found)


def test_detections_are_scored_by_image_and_pooled_by_part(detected):
    """Of at least the threshold: of two hits the nearer, at the distance, where nothing is true."""
    scores = score(DETECTOR, *detected, [("a", "fold1"), ("b", "fold1"), ("c", "fold2")])
    a, b, c = scores["images"]
    rates = ("nuclei", "found", "right", "precision", "recall", "f")
    assert [a[key] for key in rates] == [2, 2, 1, 0.5, 0.5, 0.5]
    assert [b[key] for key in rates] == [1, 1, 1, 1, 1, 1]
    assert [c[key] for key in rates] == [0, 1, 0, 0, None, 0]
    assert [(row["part"], row["image"]) for row in (a, b, c)] == [
        ("fold1", "a"),
        ("fold1", "b"),
        ("fold2", "c"),
    ]
    first, second = scores["parts"]
    assert [first[key] for key in ("part", "images", "nuclei", "found", "right")] == [
        "fold1", 2, 3, 3, 2,
    ]  # fmt: skip
    assert [first[key] for key in ("precision", "recall", "f")] == pytest.approx([2 / 3] * 3)
    assert first["threshold"] == 0.5
    assert (second["images"], second["f"], second["recall"]) == (1, 0, None)
    assert scores["predicted"] == 3
    # All detections of all images from the surest down: .9, .8, .7 false, .6, .4.
    right, found = np.array([1, 2, 2, 2, 3]), np.arange(1, 6)
    assert scores["curve"]["precision"] == pytest.approx(right / found)
    assert scores["curve"]["recall"] == pytest.approx(right / 3)


def test_an_image_that_is_in_several_parts_counts_in_each_but_once_in_the_curve(detected):
    """As of a model that has not learnt from labels, with repeated splits."""
    once = score(DETECTOR, *detected, [("a", "fold1"), ("b", "fold1")])
    twice = score(DETECTOR, *detected, [("a", "fold1"), ("b", "fold1"), ("a", "fold2")])
    assert [part["images"] for part in twice["parts"]] == [2, 1]
    assert twice["parts"][0] == once["parts"][0]
    assert twice["curve"] == once["curve"]


def test_the_chosen_threshold_is_used_for_the_test_images(detected, tmp_path):
    """The confidence of greatest F over validation images, all of them together, inclusive."""
    rows, predictions = detected
    chosen = choose_threshold(
        "m", rows=rows, predictions=predictions, validated=["a", "c"], match_um=3
    )
    # .9 alone: F 2/3; with .7, .6: 1/2, 2/5; all four: 2 right, F 2/3. The greatest is taken.
    assert chosen["threshold"] == np.float32(0.9)
    assert (chosen["precision"], chosen["recall"], chosen["images"], chosen["nuclei"]) == (
        1.0, 0.5, 2, 2,
    )  # fmt: skip
    assert chosen["f"] == pytest.approx(2 / 3)
    (tmp_path / "chosen.json").write_text(json.dumps(chosen))
    files = {"threshold": "validation", "chosen": tmp_path / "chosen.json"}
    scores = score(DETECTOR, *detected, [("a", "test"), ("b", "test")], **files)
    assert [row["found"] for row in scores["images"]] == [1, 0]
    assert scores["parts"][0]["threshold"] == np.float32(0.9)


@pytest.mark.parametrize("validated", [[], ["c"]])
def test_without_true_nuclei_there_is_no_threshold_to_choose(detected, validated):
    """It says which model, how many images, nuclei and detections."""
    rows, predictions = detected
    with pytest.raises(InputError, match=rf"models\.m: {len(validated)} validation images hold 0"):
        choose_threshold("m", rows=rows, predictions=predictions, validated=validated, match_um=3)


def test_attributes_are_scored_by_part_and_those_of_one_class_left_out_by_name(tmp_path):
    """AUROC over the nuclei of a part; the mean is over attributes that have one."""
    rows = write_images(
        tmp_path,
        {
            "a": {"attributes": "pale;round"},
            "b": {"attributes": "pale"},
            "c": {"attributes": ""},
            "d": {"attributes": "round"},
        },
    )
    probability = {"a": (0.9, 0.1), "b": (0.2, 0.3), "c": (0.4, 0.8), "d": (0.1, 0.9)}
    predictions = write_found(
        tmp_path, {name: {"probability": np.float32(p)} for name, p in probability.items()}
    )
    entry = {"kind": "nucleus_classifier", "attributes": ["pale", "round"]}
    tested = [("a", "fold1"), ("b", "fold1"), ("c", "fold1"), ("c", "fold2"), ("d", "fold2")]
    scores = score(entry, rows, predictions, tested)
    first, second = scores["parts"]
    assert first["aurocs"] == {"pale": 0.5, "round": 0.0}
    assert (first["auroc"], first["left_out"], first["images"]) == (0.25, [], 3)
    assert second["aurocs"] == {"pale": None, "round": 1.0}
    assert (second["auroc"], second["left_out"]) == (1.0, ["pale"])
    assert scores["images"][1] == {
        "part": "fold1", "image": "b", "pale": 1, "pale probability": pytest.approx(0.2),
        "round": 0, "round probability": pytest.approx(0.3)
    }  # fmt: skip
    assert "curve" not in scores


def test_masks_are_scored_by_regions(tmp_path):
    """A merged pair, half of a nucleus, nothing at all; a part has means over what is known."""
    pair, one, none = (np.zeros((20, 40), np.uint8) for _ in range(3))
    pair[4:6, 2:4], pair[4:6, 4:8], one[0:2, 0:4] = 1, 2, 255
    rows = write_images(
        tmp_path, {"pair": {"labels": pair}, "half": {"labels": one}, "none": {"labels": none}}
    )
    masks = {"pair": pair > 0, "half": (one > 0) & (np.arange(40) < 2), "none": none > 0}
    predictions = write_found(tmp_path, {name: {"mask": mask} for name, mask in masks.items()})
    entry = {"kind": "nucleus_segmenter", "spacing_um": 0.5}
    scores = score(entry, rows, predictions, [(name, "test") for name in masks])
    first, second, third = scores["images"]
    ensemble = 2 * (4 + 8) / (4 + 12 + 8 + 12)
    assert (first["nuclei"], first["found"], first["dice_mask"]) == (2, 1, 1.0)
    assert first["dice_ensemble"] == pytest.approx(ensemble)
    assert first["dice_average"] == pytest.approx((1 + ensemble) / 2)
    keys = ("dice_mask", "dice_ensemble", "dice_average")
    assert [second[key] for key in keys] == pytest.approx([2 / 3] * 3)
    assert [third[key] for key in ("nuclei", "found", *keys)] == [0, 0, None, None, None]
    (part,) = scores["parts"]
    assert (part["images"], part["nuclei"]) == (3, 3)
    assert part["dice_mask"] == pytest.approx((1 + 2 / 3) / 2)
    assert part["dice_average"] == pytest.approx((first["dice_average"] + 2 / 3) / 2)


def test_labels_are_compared_at_the_spacing_of_the_masks(tmp_path):
    """A model of 1 µm/px gives a quarter of the px, and is right if it is."""
    labels = np.zeros((20, 40), np.uint8)
    labels[4:8, 6:12] = 3
    rows = write_images(tmp_path, {"a": {"labels": labels}})
    predictions = write_found(tmp_path, {"a": {"mask": labels[::2, ::2] > 0}})
    entry = {"kind": "nucleus_segmenter", "spacing_um": 1.0}
    assert score(entry, rows, predictions, [("a", "test")])["parts"][0]["dice_average"] == 1


@pytest.mark.parametrize(
    ("entry", "truth", "found", "message"),
    [
        (
            {"kind": "nucleus_segmenter", "spacing_um": 0.5},
            {"labels": np.eye(20, 40, dtype=np.uint8)},
            {"mask": np.zeros((20, 39), bool)},
            "image a: its labels are 40 x 20 px at 0.5 µm/px, its prediction is 39 x 20 px",
        ),
        (
            {"kind": "nucleus_classifier", "attributes": ["pale"]},
            {"points": [(1, 1)]},
            {"probability": np.float32([0.5])},
            "image a: the image sheet has no column attributes",
        ),
    ],
)
def test_what_cannot_be_judged_is_refused_by_name(tmp_path, entry, truth, found, message):
    """Labels of another size, a sheet without attributes."""
    rows, predictions = write_images(tmp_path, {"a": truth}), write_found(tmp_path, {"a": found})
    with pytest.raises(InputError, match=message):
        score(entry, rows, predictions, [("a", "test")])


def test_a_model_that_no_image_tests_is_refused(detected):
    """It says which model, and where to change that."""
    with pytest.raises(InputError, match=r"models\.m: no labelled image tests it"):
        score(DETECTOR, *detected, [])
