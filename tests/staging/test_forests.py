"""The four forests: what each learns from, that they predict as scikit-learn's do, and the vote."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.ensemble import RandomForestClassifier

from microtome.errors import InputError
from microtome.staging.forest_trees import Trees, extract_trees, find_fault
from microtome.staging.forests import Prediction, Slides, train_forests, vote
from microtome.staging.pn_stages import CLASSES, FORESTS

NAMES = ("area_um2", "length_um", "share")


def slides_of(sizes=(24, 8, 8, 8), *, seed=0, n_features=3):
    """Draw slides of classes 0, 1, ...; the first feature tells them apart, mostly."""
    rng = np.random.default_rng(seed)
    classes = np.repeat(np.arange(len(sizes)), sizes)
    features = rng.normal(size=(len(classes), n_features))
    features[:, 0] += 1.5 * classes
    return features, classes


def trained(features, classes, annotated=None, *, names=None, **options):
    """Train small forests; without `annotated`, every other slide is."""
    rows = np.arange(len(classes))
    slides = Slides(
        features=features,
        classes=classes,
        annotated=rows % 2 == 0 if annotated is None else annotated,
        patients=rows,
        names=rows if names is None else names,
        feature_names=NAMES[: features.shape[1]],
    )
    return train_forests(slides, **{"seed": 1, "n_trees": 8, **options})


@pytest.fixture(scope="module")
def forests():
    """Forests of 48 slides."""
    return trained(*slides_of())


@pytest.fixture
def shown(monkeypatch):
    """What every forest was fitted with, in the order of `FORESTS`."""
    found = []

    class Spy(RandomForestClassifier):
        def fit(self, features, classes):
            found.append((features, classes, self.random_state))
            return super().fit(features, classes)

    monkeypatch.setattr("sklearn.ensemble.RandomForestClassifier", Spy)
    return found


@given(
    hnp.arrays(
        np.int64, st.tuples(st.integers(1, 6), st.integers(0, 9)), elements=st.integers(0, 3)
    )
)
def test_the_vote_is_the_most_frequent_class_and_of_those_the_highest(called):
    """As counted slide by slide."""
    expected = [
        max(range(4), key=lambda c, calls=calls: (calls.count(c), c)) for calls in called.T.tolist()
    ]
    assert vote(called).tolist() == expected


def test_what_follows_from_probabilities():
    """Classes, mean, vote and tumour probability of one slide and two forests, by hand."""
    found = Prediction.of(np.array([[[0.5, 0.0, 0.25, 0.25]], [[0.2, 0.4, 0.4, 0.0]]]))
    assert found.classes.tolist() == [[0], [2]]
    assert found.mean[0] == pytest.approx([0.35, 0.2, 0.325, 0.125])
    assert found.vote.tolist() == [2]
    assert found.tumour_probability.tolist() == pytest.approx([0.65])


def test_equal_probabilities_are_equal_whatever_their_last_bit():
    """0.1 + 0.2 exceeds 0.3 by a rounding; the higher class is taken all the same."""
    assert Prediction.of(np.array([[[0.2, 0.1 + 0.2, 0.3, 0.2]]])).classes.tolist() == [[2]]


@settings(max_examples=40)
@given(
    data=st.data(),
    n_features=st.integers(1, 4),
    min_leaf=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
def test_probabilities_are_those_of_scikit_learn(data, n_features, min_leaf, seed):
    """To the last bit, on slides trained with, on others, and on thresholds themselves."""
    n = data.draw(st.integers(4, 30))
    values = st.integers(-6, 6).map(lambda v: v / 2) | st.floats(-1e6, 1e6, width=32)
    features = data.draw(hnp.arrays(np.float64, (n, n_features), elements=values))
    classes = data.draw(hnp.arrays(np.int64, n, elements=st.sampled_from([0, 2, 3])))
    fitted = [
        RandomForestClassifier(5, min_samples_leaf=min_leaf, random_state=seed + i).fit(
            features, classes
        )
        for i in range(2)
    ]
    trees = extract_trees([[forest] for forest in fitted], n_classes=4)
    on_thresholds = np.repeat(trees.threshold[:, None], n_features, axis=1)
    tested = np.concatenate([features, features + 0.25, on_thresholds])
    found = trees.probabilities(tested)
    for of_forest, forest in zip(found, fitted, strict=True):
        assert np.array_equal(of_forest[:, forest.classes_], forest.predict_proba(tested))
    unseen = np.setdiff1d(np.arange(4), classes)
    assert (found[..., unseen] == 0).all()
    assert find_fault(trees, n_features=n_features) == ""


@pytest.mark.parametrize(
    ("threshold", "value", "leaf"),
    [(0.1, 0.1, 1), (0.1, 0.0999, 0), (0.1, np.float32(0.0999), 0), (0.1, 0.5, 1), (0.5, 0.5, 0)],
)
def test_features_are_compared_as_float32(threshold, value, leaf):
    """As float32, 0.1 is a little more than 0.1, while 0.5 is the threshold and goes left."""
    stump = Trees(
        roots=np.array([[0]]),
        children_left=np.array([1, -1, -1], np.int32),
        children_right=np.array([2, -1, -1], np.int32),
        feature=np.zeros(3, np.int32),
        threshold=np.array([threshold, 0, 0]),
        value=np.array([[0.5, 0.5], [1, 0], [0, 1]]),
    )
    assert stump.probabilities(np.array([[value]]))[0].tolist() == [[1 - leaf, leaf]]


def test_many_slides_go_down_as_few_do(forests):
    """More than go down at once give what each alone gives."""
    features = np.random.default_rng(5).normal(size=(600, 3)) * 3
    together = forests.predict(features).probabilities
    for i in (0, 255, 256, 511, 512, 599):
        alone = forests.predict(features[i : i + 1]).probabilities
        assert np.array_equal(together[:, i : i + 1], alone)


def test_no_slides_have_no_classes(forests):
    """An empty table is no fault."""
    assert forests.predict(np.empty((0, 3))).vote.shape == (0,)


def as_set(features) -> set[tuple]:
    """The rows of an array."""
    return {tuple(row) for row in features.tolist()}


def test_partial_data_are_the_annotated_slides(shown):
    """RF-PI sees them, RF-CI all."""
    features, classes = slides_of()
    annotated = np.arange(len(classes)) % 4 == 1
    found = trained(features, classes, annotated)
    assert np.array_equal(shown[0][0], features[annotated])
    assert np.array_equal(shown[0][1], classes[annotated])
    assert np.array_equal(shown[2][0], features)
    assert found.settings["slides"]["rf_pi"] == dict(zip(CLASSES, (6, 2, 2, 2), strict=True))
    assert found.settings["slides"]["rf_ci"] == dict(zip(CLASSES, (24, 8, 8, 8), strict=True))
    assert not any("half" in note for note in found.notes)


def test_balanced_forests_are_balanced_from_their_own_data(shown):
    """Everything RF-PB and RF-CB see is made of partial and of complete data."""
    features, classes = slides_of((30, 10, 10, 10))
    annotated = np.arange(len(classes)) % 2 == 0
    trained(features, classes, annotated)
    (of_pb, classes_pb, _), (of_cb, classes_cb, _) = shown[1], shown[3]
    assert 10 < len(as_set(of_pb) & as_set(features[annotated])) <= 30
    assert not as_set(of_pb) & as_set(features[~annotated])
    assert min(np.bincount(classes_pb)) > 5
    assert min(np.bincount(classes_cb)) > 10
    assert len(of_cb) > len(of_pb)


@pytest.mark.parametrize(
    ("annotated", "why"),
    [
        ((2, 3), "no slide of class negative has a pixel annotation"),
        ((0, 1, 2, 3), "all slides have a pixel annotation"),
    ],
)
def test_partial_data_are_half_of_each_class_where_annotation_does_not_tell(shown, annotated, why):
    """Rounded up, with a note; else partial data would lack a class or be complete."""
    features, classes = slides_of((10, 3, 5, 4))
    found = trained(features, classes, np.isin(classes, annotated))
    assert found.notes[0] == f"partial data are half of each class: {why}"
    assert np.bincount(shown[0][1]).tolist() == [5, 2, 3, 2]
    assert as_set(shown[0][0]) <= as_set(features)


def test_classes_that_no_slide_has_need_no_annotation():
    """Annotated slides hold all classes that there are."""
    features, classes = slides_of((9, 9))
    found = trained(features, classes, np.arange(18) % 3 == 0)
    assert found.settings["slides"]["rf_pi"]["itc"] == 3
    assert (found.predict(features).probabilities[..., 2:] == 0).all()


def test_the_seed_decides_about_halves_and_trees(shown):
    """The same gives the same, another gives others, and each forest has a seed of its own."""
    features, classes = slides_of((20, 20))
    first, again, other = (
        trained(features, classes, np.ones(40, bool), seed=seed).trees for seed in (1, 1, 2)
    )
    for name in ("roots", "children_left", "children_right", "feature", "threshold", "value"):
        assert np.array_equal(getattr(first, name), getattr(again, name))
    assert not np.array_equal(first.roots, other.roots)
    halves = [shown[i][0] for i in (0, 4, 8)]
    assert np.array_equal(halves[0], halves[1])
    assert not np.array_equal(halves[0], halves[2])
    assert len({seed for _, _, seed in shown[:4]}) == len(FORESTS)


def test_settings_reach_the_trees(monkeypatch):
    """Number of trees, features a node and slides a leaf."""
    seen = []
    original = RandomForestClassifier.fit

    def fit(self, *arguments):
        seen.append((self.n_estimators, self.max_features, self.min_samples_leaf, self.n_jobs))
        return original(self, *arguments)

    monkeypatch.setattr(RandomForestClassifier, "fit", fit)
    settings = {"n_trees": 3, "n_draws": 1, "max_features": 0.5, "min_leaf": 4}
    found = trained(*slides_of(), **settings)
    assert seen == [(3, 0.5, 4, 1)] * 4
    assert found.trees.roots.shape == (4, 3)
    assert found.settings == {**settings, "seed": 1, "slides": found.settings["slides"]}


def test_a_share_of_one_is_all_features(monkeypatch):
    """Also where it is written without a point."""
    seen = []
    original = RandomForestClassifier.fit

    def fit(self, *arguments):
        seen.append(self.max_features)
        return original(self, *arguments)

    monkeypatch.setattr(RandomForestClassifier, "fit", fit)
    trained(*slides_of(), max_features=1, n_trees=1)
    assert [(type(value), value) for value in seen] == [(float, 1.0)] * 4


def test_every_draw_has_its_own_half_and_balance_and_its_share_of_the_trees(shown):
    """Five trees in two draws are two and three; complete data, as they are, are the same twice."""
    features, classes = slides_of((20, 8))
    found = trained(features, classes, np.ones(28, bool), n_trees=5, n_draws=2)
    assert found.trees.roots.shape == (4, 5)
    assert len(shown) == 8
    for first, of_forest in zip((0, 2, 4, 6), FORESTS, strict=True):
        (x, y, _), (other_x, other_y, _) = shown[first : first + 2]
        same = np.array_equal(x, other_x) and np.array_equal(y, other_y)
        assert same == (of_forest == "rf_ci")
    assert [note for note in found.notes if "half" in note] == found.notes[:1]
    (roots, *_) = found.trees.roots
    thresholds = found.trees.threshold[roots].tolist()
    assert len(set(thresholds)) > 2


def test_a_class_that_balancing_leaves_out_of_some_draws_is_known_to_the_others():
    """ITCs as blank as more negative slides, and one that is not, which not every half has."""
    features, classes = np.zeros((29, 2)), np.repeat([0, 1, 3], (16, 3, 10))
    features[18:] = np.random.default_rng(1).normal(9, 1, (11, 2)) * np.sign(classes[18:, None] - 2)
    found = trained(features, classes, np.ones(29, bool), n_trees=30, n_draws=30)
    assert any("2 slides of class itc left out" in note for note in found.notes)
    of_itc = found.predict(features[18:19]).probabilities[1, 0]
    assert 0 < of_itc[1] < 1
    assert found.predict(features[:16]).vote.tolist() == [0] * 16
    assert found.importances.sum(axis=1) == pytest.approx(1)


def test_no_more_is_drawn_than_there_are_trees(shown):
    """Two trees of nine draws are two draws."""
    trained(*slides_of((20, 8)), n_trees=2, n_draws=9)
    assert len(shown) == 4 * 2


def test_with_more_draws_the_seed_matters_less():
    """The mean tumour probability of 40 trees moves less if they lean on 20 halves than on one."""
    features, classes = slides_of((30, 10), n_features=2)

    def spread(n_draws: int) -> float:
        found = [
            trained(features, classes, np.ones(40, bool), seed=seed, n_trees=40, n_draws=n_draws)
            .predict(features)
            .probabilities[0, :, 0]
            for seed in (1, 2, 3, 4)
        ]
        return float(np.std(found, axis=0).mean())

    assert spread(20) < 0.7 * spread(1)


def test_slides_without_a_finding_are_no_itc_because_those_of_itc_show_none():
    """Four ITCs with the features of 30 negative slides do not make these ITCs."""
    features, classes = np.zeros((44, 3)), np.repeat([0, 1, 3], (30, 4, 10))
    features[34:] = np.random.default_rng(1).normal(9, 1, (10, 3))
    found = trained(features, classes, np.ones(44, bool))
    assert found.predict(features).vote.tolist() == [0] * 34 + [3] * 10


def test_notes_of_balancing_name_their_forest():
    """Three ITCs are too few for five neighbours; one class alone is not balanced, nor left."""
    notes = trained(*slides_of((20, 3, 12, 12))).notes
    assert "rf_cb: neighbours that SMOTE looked at: 2, not 5, for class itc has 3 slides" in notes
    features, classes = slides_of((6,))
    found = trained(features, classes)
    assert (found.predict(features).tumour_probability == 0).all()
    assert "rf_cb: not balanced, for all slides are of class negative" in found.notes


def test_forests_learn_what_can_be_learnt(forests):
    """The first feature tells most classes: it matters most, and new slides are called by it."""
    features, classes = slides_of(seed=9)
    found = forests.predict(features)
    assert (np.abs(found.vote - classes) <= 1).mean() > 0.8
    assert (forests.importances.argmax(axis=1) == 0).all()
    assert forests.importances.sum(axis=1) == pytest.approx(1)
    assert found.probabilities.sum(axis=2) == pytest.approx(1)


@pytest.mark.parametrize(
    ("value", "shown_as"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf"), (1e39, "1e+39")]
)
def test_what_is_no_finite_float32_is_refused_by_slide_and_feature(forests, value, shown_as):
    """In training and in prediction; 1e39 would be infinite as float32."""
    features, classes = slides_of()
    features[5, 1] = value
    names = [f"node_{i}" for i in range(len(classes))]
    message = f"slide node_5: the feature length_um is {shown_as}; give a finite number"
    for refused in (
        lambda: trained(features, classes, names=names),
        lambda: forests.predict(features, slides=names),
    ):
        with pytest.raises(InputError) as caught:
            refused()
        assert str(caught.value) == message
    with pytest.raises(InputError, match=r"^row 6: the feature length_um"):
        forests.predict(features)


def test_other_features_are_refused(forests):
    """Another name, another order, fewer, more."""
    features = np.zeros((2, 3))
    assert forests.predict(features, names=list(NAMES)).vote.shape == (2,)
    for names, what in (
        (("length_um", "area_um2", "share"), "number 1 is length_um, theirs is area_um2"),
        (NAMES[:2], "there are 2, theirs are 3"),
        ((*NAMES, "more"), "there are 4, theirs are 3"),
    ):
        with pytest.raises(InputError, match=what):
            forests.predict(features, names=names)
    with pytest.raises(InputError, match=r"shape \(2, 4\).* 3 columns"):
        forests.predict(np.zeros((2, 4)))
    with pytest.raises(InputError, match=r"shape \(3,\)"):
        forests.predict(np.zeros(3))


def test_no_slides_train_nothing():
    """In one line."""
    with pytest.raises(InputError, match="there is no slide to train"):
        trained(np.empty((0, 3)), np.empty(0, int), np.empty(0, bool))
