"""Four random forests that call the class of a slide, and their vote.

"A generalized deep learning framework for whole-slide image segmentation and analysis" (2021), pN
staging: forests of {partial, complete} training data, {imbalanced, balanced}.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from microtome.errors import InputError, one_line
from microtome.staging.balancing import balance
from microtome.staging.forest_trees import Trees, extract_trees
from microtome.staging.pn_stages import CLASSES, FORESTS

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

# Probabilities that differ by less are equal: sums of floats are not.
_DIGITS = 12


@dataclass(frozen=True)
class Slides:
    """Slides to train and validate forests with; rows of all arrays are the same slides.

    Attributes
    ----------
    features : ndarray of shape (n, n_features), float64
        Finite.
    classes : ndarray of shape (n,), int
        Places in `CLASSES`.
    annotated : ndarray of shape (n,), bool
        Which have a pixel annotation.
    patients : ndarray of shape (n,), str
        Whose slide it is.
    names : ndarray of shape (n,), str
        What it is called.
    feature_names : tuple of str
        Of the columns.
    """

    features: np.ndarray
    classes: np.ndarray
    annotated: np.ndarray
    patients: np.ndarray
    names: np.ndarray
    feature_names: tuple[str, ...]

    def subset(self, rows: np.ndarray) -> "Slides":
        """Take some of the slides."""
        arrays = (self.features, self.classes, self.annotated, self.patients, self.names)
        return Slides(*(array[rows] for array in arrays), self.feature_names)


@dataclass(frozen=True)
class Prediction:
    """What the forests say of slides; classes are places in `CLASSES`.

    Attributes
    ----------
    probabilities : ndarray of shape (n_forests, n, n_classes), float64
        Of each forest. A class it was never shown has 0.
    classes : ndarray of shape (n_forests, n), int64
        The likeliest class of each forest, the higher of equals.
    mean : ndarray of shape (n, n_classes), float64
        Mean probabilities of the forests.
    vote : ndarray of shape (n,), int64
        See `vote`.
    tumour_probability : ndarray of shape (n,), float64
        1 minus the mean probability of 'negative'.
    """

    probabilities: np.ndarray
    classes: np.ndarray
    mean: np.ndarray
    vote: np.ndarray
    tumour_probability: np.ndarray

    @classmethod
    def of(cls, probabilities: np.ndarray) -> "Prediction":
        """Derive all from the probabilities of the forests (n_forests, n, n_classes)."""
        rounded = np.round(probabilities, _DIGITS)
        classes = _last_largest(np.moveaxis(rounded, -1, 0))
        mean = probabilities.mean(axis=0)
        return cls(probabilities, classes, mean, vote(classes), 1 - mean[:, 0])


@dataclass(frozen=True)
class Forests:
    """Trained forests, in the order of `FORESTS`.

    Attributes
    ----------
    feature_names : tuple of str
        What they were trained with, in this order.
    trees : Trees
        All their trees.
    importances : ndarray of shape (n_forests, n_features), float64
        Share of the fall of Gini impurity that a feature brings; 1 in all where anything does.
    settings : dict
        The keyword arguments of `train_forests`, and ``slides``: forest -> class ->
        how many its first draw was trained on, made-up ones too.
    notes : list of str
        What was out of the ordinary in training.
    """

    feature_names: tuple[str, ...]
    trees: Trees
    importances: np.ndarray
    settings: dict
    notes: list[str]

    def predict(
        self,
        features: np.ndarray,
        *,
        names: Sequence[str] | None = None,
        slides: Sequence[str] | None = None,
    ) -> Prediction:
        """Call the class of slides by features of shape (n, n_features), float64.

        `names` are those of the features, to be compared with those trained with; other features,
        or one that is no finite number, are an InputError that names one of `slides`.
        """
        if names is not None and tuple(names) != self.feature_names:
            raise InputError(
                f"the forests were trained with other features: {_difference(names, self)};"
                " measure the features they know, or train forests anew"
            )
        features = check_features(features, self.feature_names, slides=slides)
        return Prediction.of(self.trees.probabilities(features))


def vote(classes: np.ndarray) -> np.ndarray:
    """Give each slide the class that most forests name; of classes with as many, the highest.

    From classes (n_forests, n), places in `CLASSES`, to one for each slide (n,), int64. So 2-2,
    2-1-1 and 1-1-1-1 have an answer: the paper's ties go "to the higher category".

    Examples
    --------
    >>> vote(np.array([[0], [0], [2], [2]])).tolist()
    [2]
    """
    return _last_largest(np.array([(classes == c).sum(axis=0) for c in range(len(CLASSES))]))


def train_forests(
    slides: Slides,
    *,
    seed: int,
    n_trees: int = 500,
    n_draws: int = 1,
    max_features: str | float = "sqrt",
    min_leaf: int = 1,
) -> Forests:
    """Train the four forests; the same data and seed give the same trees.

    Choice: the paper says only that each was "trained on different subsets". Partial data are here
    the slides with pixel annotation, if those are not all and hold every class that all hold;
    else half of the slides of each class, rounded up. What chance decides about the data, the half
    and the slides that balancing makes up, is drawn `n_draws` times, each time for an equal share
    of a forest's trees: so a forest leans on no single draw.

    Parameters
    ----------
    slides : Slides
        All to be trained with.
    seed : int
        Of the trees, the balancing and the half, 0 or more.
    n_trees : int
        Of each forest.
    n_draws : int
        Of halves and of balancing, 1 or more; no more than there are trees are made.
    max_features : str or float
        Features tried at a node: ``"sqrt"`` or a share of them.
    min_leaf : int
        Fewest slides in a leaf.

    Raises
    ------
    InputError
        There is no slide, or a feature is no finite number.
    """
    from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415, two seconds

    features = check_features(slides.features, slides.feature_names, slides=slides.names)
    if not len(features):
        raise InputError("there is no slide to train random forests with; label some")
    n_draws = min(n_draws, n_trees)
    seeds = np.random.SeedSequence(seed).generate_state(n_draws * (len(FORESTS) + 1))
    *seeds_of_forests, seeds_of_halves = seeds.reshape(n_draws, -1).T.tolist()
    halves = [_choose_partial(slides.classes, slides.annotated, seed=s) for s in seeds_of_halves]
    notes = list(halves[0][1])
    fitted, counts = [], {}
    for name, seeds_of_forest in zip(FORESTS, seeds_of_forests, strict=True):
        parts = []
        for draw, (partial, _) in enumerate(halves):
            rows = partial if name.startswith("rf_p") else np.arange(len(features))
            x, y = features[rows], slides.classes[rows]
            if name.endswith("b"):
                x, labels, found = balance(x, np.array(CLASSES)[y], seed=seeds_of_forest[draw])
                y = np.array([CLASSES.index(label) for label in labels])
                notes += [f"{name}: {note}" for note in found]
            part = RandomForestClassifier(
                n_trees * (draw + 1) // n_draws - n_trees * draw // n_draws,
                # Of scikit-learn's, 1 would be one feature.
                max_features=max_features if max_features == "sqrt" else float(max_features),
                min_samples_leaf=min_leaf,
                random_state=seeds_of_forest[draw],
                n_jobs=1,
            )
            parts.append(part.fit(x, y))
            if draw == 0:
                shown = np.bincount(y, minlength=len(CLASSES)).tolist()
                counts[name] = dict(zip(CLASSES, shown, strict=True))
        fitted.append(parts)
    return Forests(
        feature_names=slides.feature_names,
        trees=extract_trees(fitted, n_classes=len(CLASSES)),
        importances=np.array([_average_importances(parts) for parts in fitted]),
        settings={
            "n_trees": n_trees,
            "n_draws": n_draws,
            "max_features": max_features,
            "min_leaf": min_leaf,
            "seed": seed,
            "slides": counts,
        },
        notes=list(dict.fromkeys(notes)),
    )


def check_features(
    features: np.ndarray, names: Sequence[str], *, slides: Sequence[str] | None
) -> np.ndarray:
    """Give features as float64 (n, n_features); all have to be finite numbers even as float32."""
    features = np.asarray(features, np.float64)
    if features.ndim != 2 or features.shape[1] != len(names):
        raise InputError(
            f"features have the shape {features.shape}; the forests need a row a slide and"
            f" {len(names)} columns"
        )
    bad = np.argwhere(~(np.abs(features) <= np.finfo(np.float32).max))
    if len(bad):
        row, column = bad[0]
        slide = f"slide {one_line(slides[row])}" if slides is not None else f"row {row + 1}"
        raise InputError(
            f"{slide}: the feature {one_line(names[column])} is {features[row, column]:g}; give a"
            " finite number"
        )
    return features


def _average_importances(parts: Sequence["RandomForestClassifier"]) -> np.ndarray:
    """Average the shares of the parts of a forest, each as its trees are many: (n_features,)."""
    n_trees = [part.n_estimators for part in parts]
    shares = np.average([part.feature_importances_ for part in parts], axis=0, weights=n_trees)
    return shares / shares.sum() if shares.any() else shares


def _choose_partial(
    classes: np.ndarray, annotated: np.ndarray, *, seed: int
) -> tuple[np.ndarray, list[str]]:
    """Choose the rows of the partial data, and note where they are a half."""
    present = np.unique(classes)
    lacking = np.setdiff1d(present, classes[annotated])
    if not annotated.all() and not lacking.size:
        return np.flatnonzero(annotated), []
    if annotated.all():
        why = "all slides have a pixel annotation"
    else:
        why = f"no slide of class {CLASSES[lacking[0]]} has a pixel annotation"
    rng = np.random.default_rng(seed)
    rows = []
    for c in present:
        of_class = rng.permutation(np.flatnonzero(classes == c))
        rows.append(of_class[: -(-len(of_class) // 2)])
    return np.sort(np.concatenate(rows)), [f"partial data are half of each class: {why}"]


def _last_largest(values: np.ndarray) -> np.ndarray:
    """Find the largest along the first axis, the last of equals."""
    return len(values) - 1 - values[::-1].argmax(axis=0)


def _difference(names: Sequence[str], forests: Forests) -> str:
    """Name the first feature in which lists differ."""
    known = forests.feature_names
    for place, (given, trained) in enumerate(zip(names, known, strict=False), start=1):
        if given != trained:
            return f"number {place} is {one_line(given)}, theirs is {one_line(trained)}"
    return f"there are {len(names)}, theirs are {len(known)}"
