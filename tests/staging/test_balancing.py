"""SMOTE and Tomek links: what is made up, what is removed, and what is too small for them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imblearn.combine import SMOTETomek

from microtome.staging.balancing import balanced


def clusters(sizes: dict[str, int], *, seed: int = 0, n_features: int = 3):
    """Draw slides about one point a class, 4 apart, so far that no two classes touch."""
    rng = np.random.default_rng(seed)
    classes = np.repeat(list(sizes), list(sizes.values()))
    centres = np.repeat(np.arange(len(sizes)) * 4.0, list(sizes.values()))
    noise = rng.uniform(-0.5, 0.5, (len(classes), n_features))
    return centres[:, None] + noise, classes


def counts(classes) -> dict:
    """Count the slides of each class."""
    names, numbers = np.unique(classes, return_counts=True)
    return dict(zip(names.tolist(), numbers.tolist(), strict=True))


def test_every_class_becomes_as_large_as_the_largest():
    """Classes far apart have no Tomek links."""
    features, classes = clusters({"negative": 20, "itc": 6, "micro": 9})
    x, y, notes = balanced(features, classes, seed=1)
    assert counts(y) == {"negative": 20, "itc": 20, "micro": 20}
    assert x.shape == (60, 3)
    assert notes == []


def test_slides_that_were_there_stay_as_they_were():
    """They come first, to the last bit."""
    features, classes = clusters({"a": 12, "b": 6})
    x, y, _ = balanced(features, classes, seed=1)
    assert np.array_equal(x[:18], features)
    assert y[:18].tolist() == classes.tolist()


def test_made_up_slides_lie_between_slides_of_their_class():
    """Within the box about their class, and none is a copy."""
    features, classes = clusters({"a": 30, "b": 7})
    x, y, _ = balanced(features, classes, seed=2)
    made_up = x[37:]
    of_b = features[classes == "b"]
    assert (y[37:] == "b").all()
    assert (made_up >= of_b.min(0)).all()
    assert (made_up <= of_b.max(0)).all()
    assert not (made_up[:, None] == of_b).all(axis=2).any()


def test_neighbours_are_those_of_standardized_features():
    """Other units, in powers of two, give the same slides in these units."""
    features, classes = clusters({"a": 15, "b": 7}, seed=3)
    units = np.array([2.0**20, 1, 2.0**-10])
    x, y, _ = balanced(features, classes, seed=5)
    scaled, z, _ = balanced(features * units, classes, seed=5)
    assert y.tolist() == z.tolist()
    assert scaled / units == pytest.approx(x)


def test_of_standardized_features_it_is_smotetomek():
    """As imbalanced-learn does it in one."""
    rng = np.random.default_rng(8)
    features = rng.normal(size=(80, 2))
    features = (features - features.mean(0)) / features.std(0)
    classes = rng.choice(4, 80, p=[0.6, 0.2, 0.1, 0.1])
    x, y, _ = balanced(features, classes, seed=4)
    expected = SMOTETomek(random_state=4).fit_resample(features, classes)
    assert x == pytest.approx(expected[0])
    assert np.array_equal(y, expected[1])
    assert len(y) < 4 * np.bincount(classes).max()


def test_slides_of_a_tomek_link_both_go():
    """Each other's nearest and of different classes: 1.0 and 1.1."""
    features = np.array([[0.0], [0.05], [1.0], [1.1], [2.0], [2.05]])
    x, y, notes = balanced(features, np.array([0, 0, 0, 1, 1, 1]), seed=0)
    assert x[:, 0].tolist() == [0.0, 0.05, 2.0, 2.05]
    assert y.tolist() == [0, 0, 1, 1]
    assert notes == []


def test_a_small_class_has_fewer_neighbours():
    """Three slides have two neighbours each."""
    x, y, notes = balanced(*clusters({"negative": 10, "itc": 3}), seed=1)
    assert counts(y) == {"negative": 10, "itc": 10}
    assert notes == ["neighbours that SMOTE looked at: 2, not 5, for class itc has 3 slides"]
    assert len(np.unique(x, axis=0)) == 20


def test_five_neighbours_need_six_slides():
    """Six slides are enough, five are not."""
    assert balanced(*clusters({"a": 10, "b": 6}), seed=1)[2] == []
    notes = balanced(*clusters({"a": 10, "b": 5}), seed=1)[2]
    assert notes == ["neighbours that SMOTE looked at: 4, not 5, for class b has 5 slides"]


def test_small_classes_of_one_size_need_no_smote():
    """Nothing is made up, so nothing is said of neighbours."""
    x, _, notes = balanced(*clusters({"a": 3, "b": 3}), seed=1)
    assert len(x) == 6
    assert notes == []


def test_the_only_slide_of_a_class_is_repeated():
    """SMOTE has no second one; the others are made up as ever."""
    features, classes = clusters({"negative": 12, "itc": 1, "macro": 7})
    x, y, notes = balanced(features, classes, seed=1)
    assert counts(y) == {"negative": 12, "itc": 12, "macro": 12}
    assert np.array_equal(np.unique(x[y == "itc"], axis=0), features[classes == "itc"])
    assert len(np.unique(x[y == "macro"], axis=0)) == 12
    assert notes == ["the one slide of class itc was repeated to 12, for SMOTE needs two"]


def test_one_class_alone_stays_as_it_is():
    """There is nothing to balance."""
    features, classes = clusters({"micro": 4})
    x, y, notes = balanced(features, classes, seed=1)
    assert np.array_equal(x, features)
    assert y.tolist() == ["micro"] * 4
    assert notes == ["not balanced, for all slides are of class micro"]


def test_no_class_loses_its_last_slide():
    """Two slides of two classes are each other's nearest."""
    x, y, notes = balanced(np.array([[0.0], [1.0]]), np.array([0, 3]), seed=1)
    assert x.tolist() == [[0], [1]]
    assert y.tolist() == [0, 3]
    assert notes[-1] == "Tomek links are left in: class 0 would have lost its last slide"


def test_a_feature_that_is_the_same_in_all_slides_does_no_harm():
    """Its standard deviation is 0."""
    features, classes = clusters({"a": 10, "b": 6})
    features[:, 1] = 7
    x, _, _ = balanced(features, classes, seed=1)
    assert (x[:, 1] == 7).all()
    assert len(x) == 20


def test_the_seed_decides():
    """The same gives the same slides, another gives others."""
    slides = clusters({"a": 20, "b": 6})
    first, again, other = (balanced(*slides, seed=seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@settings(max_examples=50)
@given(classes=st.lists(st.integers(0, 3), min_size=1, max_size=25), seed=st.integers(0, 2**32 - 1))
def test_no_class_is_lost_and_all_is_finite(classes, seed):
    """Whatever the sizes of classes are."""
    classes = np.array(classes)
    features = np.random.default_rng(seed).normal(size=(len(classes), 2))
    x, y, _ = balanced(features, classes, seed=seed)
    assert set(y) == set(classes)
    assert len(x) == len(y)
    assert np.isfinite(x).all()
