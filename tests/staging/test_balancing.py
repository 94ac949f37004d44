"""SMOTE and Tomek links: what is made up, what is removed, and what is too small for them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imblearn.combine import SMOTETomek

from microtome.staging.balancing import balance


def draw(*, seed: int = 0, **sizes: int):
    """Draw slides about one point a class, 4 apart, so far that no two classes touch."""
    classes = np.repeat(list(sizes), list(sizes.values()))
    centres = np.repeat(np.arange(len(sizes)) * 4.0, list(sizes.values()))
    noise = np.random.default_rng(seed).uniform(-0.5, 0.5, (len(classes), 3))
    return centres[:, None] + noise, classes


def test_slides_made_up_lie_between_those_of_their_class():
    """Those that were there come first, to the last bit; a constant feature stays constant."""
    features, classes = draw(a=30, b=7)
    features[:, 2] = 7
    x, y, _ = balance(features, classes, seed=2)
    assert np.array_equal(x[:37], features)
    assert y.tolist() == [*classes, *["b"] * 23]
    of_b, made_up = features[classes == "b"], x[37:]
    assert (made_up >= of_b.min(0)).all()
    assert (made_up <= of_b.max(0)).all()
    assert not (made_up[:, None] == of_b).all(axis=2).any()


@pytest.mark.parametrize(
    ("sizes", "size", "said"),
    [
        ({"negative": 20, "itc": 6, "micro": 9}, 20, []),
        ({"a": 10, "b": 6}, 10, []),
        (
            {"a": 10, "b": 5},
            10,
            ["neighbours that SMOTE looked at: 4, not 5, for class b has 5 slides"],
        ),
        ({"a": 3, "b": 3}, 3, []),
        (
            {"negative": 12, "itc": 1, "macro": 7},
            12,
            ["the one slide of class itc was repeated to 12, for SMOTE needs two"],
        ),
        ({"micro": 4}, 4, ["not balanced, for all slides are of class micro"]),
    ],
    ids=["three classes", "six", "five", "equal", "one slide", "one class"],
)
def test_every_class_becomes_as_large_as_the_largest(sizes, size, said):
    """What is too small for five neighbours is met and noted."""
    x, y, notes = balance(*draw(**sizes), seed=1)
    assert dict(zip(*np.unique(y, return_counts=True), strict=True)) == dict.fromkeys(sizes, size)
    assert notes == said
    copies = size - 1 if 1 in sizes.values() else 0
    assert len(np.unique(x, axis=0)) == len(x) - copies


def test_neighbours_are_those_of_standardized_features():
    """Other units, in powers of two, give the same slides in these units."""
    features, classes = draw(a=15, b=7, seed=3)
    units = np.array([2.0**20, 1, 2.0**-10])
    x, y, _ = balance(features, classes, seed=5)
    scaled, z, _ = balance(features * units, classes, seed=5)
    assert y.tolist() == z.tolist()
    assert scaled / units == pytest.approx(x)


def test_of_standardized_features_it_is_smotetomek():
    """As imbalanced-learn does it in one."""
    rng = np.random.default_rng(8)
    features = rng.normal(size=(80, 2))
    features = (features - features.mean(0)) / features.std(0)
    classes = rng.choice(4, 80, p=[0.6, 0.2, 0.1, 0.1])
    x, y, _ = balance(features, classes, seed=4)
    expected = SMOTETomek(random_state=4).fit_resample(features, classes)
    assert x == pytest.approx(expected[0])
    assert np.array_equal(y, expected[1])
    assert len(y) < 4 * np.bincount(classes).max()


def test_slides_of_a_tomek_link_both_go_but_no_class_is_lost():
    """Each other's nearest and of different classes: 1.0 and 1.1; but not two that are all."""
    features = np.array([[0.0], [0.05], [1.0], [1.1], [2.0], [2.05]])
    x, y, notes = balance(features, np.array([0, 0, 0, 1, 1, 1]), seed=0)
    assert x[:, 0].tolist() == [0.0, 0.05, 2.0, 2.05]
    assert (y.tolist(), notes) == ([0, 0, 1, 1], [])
    x, y, notes = balance(np.array([[0.0], [1.0]]), np.array([0, 3]), seed=1)
    assert (x.tolist(), y.tolist()) == ([[0], [1]], [0, 3])
    assert notes[-1] == "Tomek links are left in: class 0 would have lost its last slide"


def test_what_looks_like_more_of_another_class_is_left_out():
    """Of 3 a and 2 b at 0 the b go, the b at 9 stay; of 2 and 2 all stay."""
    features = np.array([0.0] * 5 + [9.0, 9.1, 9.2])[:, None]
    x, y, notes = balance(features, np.array(list("aaabbbbb")), seed=1)
    assert (x[:, 0].tolist(), "".join(y)) == ([0, 0, 0, 9, 9.1, 9.2], "aaabbb")
    assert notes == ["2 slides of class b left out: more of another class look the very same"]
    _, y, notes = balance(np.repeat([0.0, 9.0], [4, 2])[:, None], np.array(list("aabbab")), seed=1)
    assert ("".join(sorted(y)), notes) == ("aaabbb", [])
    x, y, notes = balance(np.zeros((5, 2)), np.array(list("aaabb")), seed=1)
    assert (x.tolist(), "".join(y)) == ([[0, 0]] * 3, "aaa")
    assert notes[1:] == ["not balanced, for all slides are of class a"]


def test_the_seed_decides():
    """The same gives the same slides, another gives others."""
    first, again, other = (balance(*draw(a=20, b=6), seed=seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@settings(max_examples=50)
@given(classes=st.lists(st.integers(0, 3), min_size=1, max_size=25), seed=st.integers(0, 2**32 - 1))
def test_no_class_is_lost_and_all_is_finite(classes, seed):
    """Whatever the sizes of classes are."""
    features = np.random.default_rng(seed).normal(size=(len(classes), 2))
    x, y, _ = balance(features, np.array(classes), seed=seed)
    assert set(y) == set(classes)
    assert len(x) == len(y)
    assert np.isfinite(x).all()
