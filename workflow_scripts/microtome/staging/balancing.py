"""As many slides of every class: SMOTE, then Tomek links, over standardized features."""

import numpy as np

_NEIGHBOURS = 5  # of SMOTE, as in its paper


def balance(
    features: np.ndarray, classes: np.ndarray, *, seed: int
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Make up slides of the smaller classes, then remove slides that contradict their neighbour.

    SMOTETomek, as in "A generalized deep learning framework for whole-slide image segmentation and
    analysis" (2021), the step of data balancing. A made-up slide lies between a slide and one of
    its nearest neighbours of the same class. A Tomek link is two slides of different classes that
    are each other's nearest; both go. Neighbours are those of standardized features (choice: areas
    in µm² would drown all others); slides that were there come back as they were.

    Choice: slides whose features are the same to the last bit, as those of heatmaps without tumour,
    stay if no other class has more of them. Tomek links do not see them, and SMOTE would make up
    ITCs, of which none was found, until every slide without a finding looks like one.

    What is too small for this is noted: SMOTE looks at fewer than five neighbours where the
    smallest class has no more; a class of one slide is repeated instead; one class alone stays as
    it is; no class loses its last slide to Tomek links.

    Features are finite float64 of shape (n, n_features), classes int or str of shape (n,). Given
    back are both of the slides that were kept, in their order, then of those made up, and notes of
    what was out of the ordinary.
    """
    # A second of imports that forests which are only read can do without.
    from imblearn.over_sampling import SMOTE  # noqa: PLC0415
    from imblearn.under_sampling import TomekLinks  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    features, classes, notes = _leave_out_outnumbered(features, classes)
    names, sizes = np.unique(classes, return_counts=True)
    if len(names) == 1:
        return features, classes, [*notes, f"not balanced, for all slides are of class {names[0]}"]
    for name in names[sizes == 1]:
        # SMOTE needs a neighbour.
        repeated = np.repeat(np.flatnonzero(classes == name), sizes.max() - 1)
        features = np.concatenate([features, features[repeated]])
        classes = np.concatenate([classes, classes[repeated]])
        notes.append(
            f"the one slide of class {name} was repeated to {sizes.max()}, for SMOTE needs two"
        )
    names, sizes = np.unique(classes, return_counts=True)
    smallest = sizes.min()
    n_neighbours = int(min(_NEIGHBOURS, smallest - 1))
    if n_neighbours < _NEIGHBOURS and smallest < sizes.max():
        notes.append(
            f"neighbours that SMOTE looked at: {n_neighbours}, not {_NEIGHBOURS}, for class"
            f" {names[sizes.argmin()]} has {smallest} slides"
        )
    scaler = StandardScaler().fit(features)
    scaled, labels = scaler.transform(features), classes
    if smallest < sizes.max():
        smote = SMOTE(k_neighbors=n_neighbours, random_state=seed)
        scaled, labels = smote.fit_resample(scaled, classes)
        made_up = scaler.inverse_transform(scaled[len(features) :])
        features = np.concatenate([features, made_up])
    links = TomekLinks(sampling_strategy="all")
    links.fit_resample(scaled, labels)
    kept = np.sort(links.sample_indices_)
    lost = np.setdiff1d(labels, labels[kept])
    if lost.size:
        notes.append(f"Tomek links are left in: class {lost[0]} would have lost its last slide")
        kept = np.arange(len(labels))
    return features[kept], labels[kept], notes


def _leave_out_outnumbered(
    features: np.ndarray, classes: np.ndarray
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Leave out slides with the very features of more slides of another class, and note them."""
    names, of_class = np.unique(classes, return_inverse=True)
    place = np.unique(features, axis=0, return_inverse=True)[1].ravel()
    n_there = np.zeros((place.max() + 1, len(names)), np.int64)
    np.add.at(n_there, (place, of_class), 1)
    kept = n_there[place, of_class] == n_there[place].max(axis=1)
    notes = [
        f"{n} slides of class {name} left out: more of another class look the very same"
        for name, n in zip(*np.unique(classes[~kept], return_counts=True), strict=True)
    ]
    return features[kept], classes[kept], notes
