"""Precision and recall at every threshold: against matching anew at each."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from microtome.nucleus_scores.curve import Image, detection_curve
from microtome.nucleus_scores.matching import match_points

WITHIN_UM = 3.0


@st.composite
def images(draw) -> Image:
    """An image of few points on a coarse lattice: distances and confidences are often equal."""
    place, sure = st.integers(0, 6).map(float), st.sampled_from([0.1, 0.5, 0.7, 0.9, 1.0])
    n, m = draw(st.integers(0, 9)), draw(st.integers(0, 6))
    return Image(
        draw(arrays(np.float64, (n, 2), elements=place)),
        draw(arrays(np.float32, n, elements=sure.map(np.float32))),
        draw(arrays(np.float64, (m, 2), elements=place)),
    )


@given(st.lists(images(), max_size=3))
def test_each_threshold_counts_as_matching_anew(several):
    """Found and right at each confidence are those of the detections that are left."""
    curve = detection_curve(several, within_um=WITHIN_UM)
    every = {float(c) for image in several for c in image.confidence}
    assert curve.threshold.tolist() == sorted(every, reverse=True)
    assert curve.n_true == sum(len(image.truth) for image in several)
    for threshold, n_found, n_right in zip(
        curve.threshold, curve.n_found, curve.n_right, strict=True
    ):
        matches = [
            match_points(image.above(threshold), image.truth, within_um=WITHIN_UM)
            for image in several
        ]
        assert n_found == sum(one.n_found for one in matches)
        assert n_right == sum(one.n_right for one in matches)


@given(st.lists(images(), min_size=1, max_size=3))
def test_the_best_threshold_is_the_one_of_greatest_f(several):
    """By trying them all; of equally good ones the greatest."""
    curve = detection_curve(several, within_um=WITHIN_UM)
    best = curve.best_threshold()
    n_true = sum(len(image.truth) for image in several)
    tried = []
    for threshold in {float(c) for image in several for c in image.confidence}:
        left = [(image.above(threshold), image.truth) for image in several]
        n_right = sum(match_points(*one, within_um=WITHIN_UM).n_right for one in left)
        tried.append((2 * n_right / (sum(len(found) for found, _ in left) + n_true), threshold))
    assert best == (max(tried)[1] if tried and n_true else None)


def test_a_nearer_detection_takes_over():
    """A less sure but nearer one is right instead: the numbers stay, at no threshold both count."""
    found = np.array([[2.0, 0.0], [1.0, 0.0], [0.5, 0.0]])
    image = Image(found, np.array([0.9, 0.8, 0.7], np.float32), np.array([[0.0, 0.0]]))
    curve = detection_curve([image], within_um=WITHIN_UM)
    assert curve.n_right.tolist() == [1, 1, 1]
    assert curve.f_scores().tolist() == [1, 2 / 3, 0.5]


def test_one_that_comes_can_make_another_false_and_be_no_gain():
    """Of a nucleus with one detection each way: the nearer of both nuclei replaces two."""
    found = np.array([[-2.0, 0.0], [6.0, 0.0], [2.0, 0.0]])
    image = Image(found, np.array([0.9, 0.8, 0.7]), np.array([[0.0, 0.0], [4.0, 0.0]]))
    assert detection_curve([image], within_um=WITHIN_UM).n_right.tolist() == [1, 2, 2]
    nearer = image._replace(truth=np.array([[0.1, 0.0], [3.9, 0.0]]))
    assert detection_curve([nearer], within_um=WITHIN_UM).n_right.tolist() == [1, 2, 1]


def test_nothing_found_or_nothing_true_has_no_best_threshold():
    """An empty curve, and one of false detections alone."""
    empty = np.empty((0, 2))
    assert detection_curve([], within_um=WITHIN_UM).best_threshold() is None
    assert detection_curve([], within_um=WITHIN_UM).threshold.tolist() == []
    missed = Image(empty, np.empty(0, np.float32), np.zeros((1, 2)))
    assert detection_curve([missed], within_um=WITHIN_UM).best_threshold() is None
    false = Image(np.zeros((1, 2)), np.ones(1, np.float32), empty)
    curve = detection_curve([false], within_um=WITHIN_UM)
    assert curve.best_threshold() is None
    assert (curve.n_found.tolist(), curve.n_right.tolist(), curve.n_true) == ([1], [0], 0)
