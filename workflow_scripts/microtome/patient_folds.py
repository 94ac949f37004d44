"""Folds in which the slides of a patient stay together."""

import warnings

import numpy as np


def patient_folds(
    classes: np.ndarray, patients: np.ndarray, *, n_folds: int, seed: int
) -> np.ndarray:
    """Deal patients out to folds, classes spread as evenly as that allows.

    Parameters
    ----------
    classes : ndarray of shape (n,), int
        Of the slides.
    patients : ndarray of shape (n,), str
        Whose they are.
    n_folds : int
        At most; with no more patients, each is a fold of its own.
    seed : int
        Of the order.

    Returns
    -------
    ndarray of shape (n,), int64
        The fold of each slide, from 1 on without gaps.
    """
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold  # noqa: PLC0415, seconds

    patient = np.unique(patients, return_inverse=True)[1]
    if patient.max() < n_folds:
        return patient + 1
    # Classes that are all smaller than the number of folds cannot be spread over them.
    kind = StratifiedGroupKFold if np.bincount(classes).max() >= n_folds else GroupKFold
    folds = kind(n_folds, shuffle=True, random_state=seed)
    fold = np.zeros(len(classes), np.int64)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        for k, (_, tested) in enumerate(folds.split(patient, classes, patient), start=1):
            fold[tested] = k
    return fold
