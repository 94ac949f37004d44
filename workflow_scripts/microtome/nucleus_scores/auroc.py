"""How well a classifier ranks nuclei with an attribute above those without it."""

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import roc_auc_score


def attribute_aurocs(
    probability: np.ndarray, has: np.ndarray, attributes: Sequence[str]
) -> dict[str, float | None]:
    """Compute the area under the ROC curve of each attribute.

    Parameters
    ----------
    probability : ndarray of shape (n_images, n_attributes), float
        What the classifier gives.
    has : ndarray of shape (n_images, n_attributes), bool
        Whether the nucleus has the attribute.
    attributes : sequence of str
        Their names, in this order.

    Returns
    -------
    dict of str to float or None
        None where all nuclei have the attribute, or none has: then there is no such area.

    Examples
    --------
    >>> has = np.array([[True, True], [False, True]])
    >>> attribute_aurocs(np.array([[0.9, 0.1], [0.2, 0.3]]), has, ["round", "dark"])
    {'round': 1.0, 'dark': None}
    """
    return {
        name: None
        if has[:, i].all() or not has[:, i].any()
        else float(roc_auc_score(has[:, i], probability[:, i]))
        for i, name in enumerate(attributes)
    }
