"""Detections matched with true nuclei: by hand, by brute force, against scipy and scikit-learn."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching
from scipy.spatial.distance import cdist
from sklearn.metrics import precision_recall_fscore_support

from microtome.nucleus_scores.matching import detection_rates, match_points

WITHIN_UM = 3.0


def on_a_line(*x_um: float) -> np.ndarray:
    """Points on the x axis."""
    return np.array([[x, 0.0] for x in x_um]).reshape(-1, 2)


def nuclei_of(found: np.ndarray, truth: np.ndarray, within_um: float = WITHIN_UM) -> list[int]:
    """The nucleus of each detection, -1 where it is false."""
    return match_points(found, truth, within_um=within_um).nucleus.tolist()


def points(least: int = 0, most: int = 12) -> st.SearchStrategy:
    """Points of a field so small that most have several neighbours."""
    size = st.integers(least, most)
    place = st.floats(0, 16, allow_nan=False, width=32)
    return size.flatmap(lambda n: arrays(np.float64, (n, 2), elements=place))


def by_the_words(found: np.ndarray, truth: np.ndarray) -> int:
    """Right detections as the rule is written: those that are the nearest one of some nucleus."""
    nearest = set()
    for nucleus in truth:
        near = [(np.hypot(*(d - nucleus)), i) for i, d in enumerate(found)]
        near = [one for one in near if one[0] <= WITHIN_UM]
        nearest |= {min(near)[1]} if near else set()
    return len(nearest)


@pytest.mark.parametrize(
    ("found", "truth", "expected"),
    [
        ([], [], []),
        ([1], [], [-1]),
        ([], [1], []),
        ([0], [0], [0]),
        ([2, 1], [0], [-1, 0]),  # two hits: the nearer counts
        ([2, 4], [0, 6], [0, 1]),
        ([2], [0, 5], [0]),  # between two: the nearer is found, the other is missed
        ([4], [0, 5], [1]),
        ([1, -1], [0], [0, -1]),  # equally near: the first, which is the surer one
        ([2], [4, 0], [0]),  # equally near to two: counts once
        # A chain: 2 is the nearest of both nuclei, so -2.5 is none's, although in reach of one.
        ([2, -2.5], [0, 3.5], [1, -1]),
        ([1, 3, 5, 7], [0, 4, 8], [0, 1, -1, 2]),
        ([0, 0], [0, 0], [0, -1]),  # the same place twice: both nuclei have the same nearest
    ],
)
def test_cases_by_hand(found, truth, expected):
    """Two hits, one between two, ties, nothing, chains, points at the same place."""
    assert nuclei_of(on_a_line(*found), on_a_line(*truth)) == expected


def test_a_detection_counts_up_to_the_distance_itself():
    """At the distance it is right, beyond it is false, whatever rounding does on the way."""
    for shift in (0, 0.1, 1e5 + 0.3):
        truth = on_a_line(shift)
        assert nuclei_of(on_a_line(shift + 3), truth) == [0]
        assert nuclei_of(on_a_line(shift + 3.001), truth) == [-1]
    assert nuclei_of(np.array([[1.8, 2.4]]), on_a_line(0)) == [0]
    assert nuclei_of(on_a_line(0.1 * 3), on_a_line(0), within_um=0.3) == [0]  # 0.30000000000000004


def test_it_says_which_nucleus_and_how_many():
    """Counts of detections, right ones and nuclei."""
    matches = match_points(on_a_line(9, 1, 30), on_a_line(0, 10, 20, 40), within_um=WITHIN_UM)
    assert matches.nucleus.tolist() == [1, 0, -1]
    assert (matches.n_found, matches.n_right, matches.n_true) == (3, 2, 4)


@given(points(), points())
def test_right_are_the_nearest_ones_of_some_nucleus(found, truth):
    """As the rule is written, by brute force, and each counts for one nucleus in reach."""
    matches = match_points(found, truth, within_um=WITHIN_UM)
    assert matches.n_right == by_the_words(found, truth)
    taken = matches.nucleus[matches.nucleus >= 0]
    assert len(set(taken.tolist())) == len(taken) == matches.n_right
    right = np.flatnonzero(matches.nucleus >= 0)
    off_um = np.linalg.norm(found[right] - truth[taken], axis=1)
    assert (off_um <= WITHIN_UM * (1 + 1e-9)).all()


@settings(max_examples=40)
@given(points(), points(), st.randoms(use_true_random=False))
def test_order_and_axes_do_not_matter(found, truth, random):
    """The same detections are right in any order, with x and y swapped, and mirrored."""
    distances = cdist(found, truth)
    # Equally near ones are told apart by their order alone.
    assume(all(len(np.unique(row)) == len(row) for row in (*distances, *distances.T)))
    expected = match_points(found, truth, within_um=WITHIN_UM).nucleus
    assert np.array_equal(nuclei_of(found[:, ::-1], truth[:, ::-1]), expected)
    assert np.array_equal(nuclei_of(-found, -truth), expected)
    of_found = random.sample(range(len(found)), len(found))
    of_truth = random.sample(range(len(truth)), len(truth))
    matches = match_points(found[of_found], truth[of_truth], within_um=WITHIN_UM)
    back = np.append(np.array(of_truth, np.int64), -1)
    assert np.array_equal(back[matches.nucleus], expected[of_found])


@given(points(), points())
def test_no_assignment_of_pairs_finds_fewer(found, truth):
    """The most pairs that can be made, by scipy, bound the right ones from above."""
    if not (len(found) and len(truth)):
        return
    near = csr_array(cdist(found, truth) <= WITHIN_UM)
    most = np.count_nonzero(maximum_bipartite_matching(near, perm_type="column") >= 0)
    n_right = match_points(found, truth, within_um=WITHIN_UM).n_right
    assert n_right <= most
    assert (n_right > 0) == (most > 0)


@given(
    st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30),
    st.integers(0, 2**32 - 1),
)
def test_isolated_nuclei_are_matched_as_by_scipy(there, seed):
    """Where each point has one candidate at most, both of scipy's assignments agree with it."""
    generator = np.random.default_rng(seed)
    truth = np.stack([10 * np.arange(len(there)), np.zeros(len(there))], axis=1)
    found = truth + generator.uniform(-3, 3, truth.shape)  # in reach or not, never of another
    found, truth = (p[[t[i] for t in there]] for i, p in enumerate((found, truth)))
    assume(len(found) and len(truth))
    distances = cdist(found, truth)
    matches = match_points(found, truth, within_um=WITHIN_UM)
    by_flow = maximum_bipartite_matching(csr_array(distances <= WITHIN_UM), perm_type="column")
    assert np.array_equal(matches.nucleus, by_flow)
    rows, columns = linear_sum_assignment(np.where(distances <= WITHIN_UM, distances, 1e6))
    chosen = distances[rows, columns] <= WITHIN_UM
    expected = np.full(len(found), -1)
    expected[rows[chosen]] = columns[chosen]
    assert np.array_equal(matches.nucleus, expected)


def test_many_points_are_matched_as_few_are():
    """Tiles far from each other, in one call, give what each gives alone."""
    generator = np.random.default_rng(5)
    tiles = [generator.uniform(0, 60, (2, 200, 2)) for _ in range(40)]
    alone = [match_points(*tile, within_um=WITHIN_UM).n_right for tile in tiles]
    found, truth = (
        np.concatenate([tile[i] + [1000 * k, 0] for k, tile in enumerate(tiles)]) for i in (0, 1)
    )
    assert match_points(found, truth, within_um=WITHIN_UM).n_right == sum(alone)


@given(st.integers(0, 6), st.integers(0, 6), st.integers(0, 6))
def test_rates_are_those_of_scikit_learn(n_right, n_false, n_missed):
    """Of labels with so many right, false and missed ones; NaN there is None here."""
    truth = [1] * n_right + [0] * n_false + [1] * n_missed + [0]
    called = [1] * (n_right + n_false) + [0] * n_missed + [0]
    expected = precision_recall_fscore_support(
        truth, called, average="binary", zero_division=np.nan
    )[:3]
    counts = {"n_found": n_right + n_false, "n_true": n_right + n_missed}
    found = detection_rates(n_right=n_right, **counts)
    assert list(found) == ["precision", "recall", "f"]
    for value, theirs in zip(found.values(), expected, strict=True):
        assert value == pytest.approx(theirs) if value is not None else np.isnan(theirs)
