"""The class of a slide by the majority of its patches, at several spacings.

Joint classification and segmentation of liver slides (2022), section 3.5, Eqs. 3 to 5.
"""

from collections.abc import Mapping

import numpy as np

from microtome.score_stores import Scores

CLASSES = ("other", "tumour")
_MAJORITY = 0.5


def vote(scores: Mapping[str, Scores]) -> dict:
    """Let the patches of a slide vote, those of all spacings together, each with one voice.

    Parameters
    ----------
    scores : mapping of str to Scores
        What each member says of the slide, by its name. A patch votes for tumour where half of it
        or more is; one that could not be read does not vote.

    Returns
    -------
    dict
        ``class``, the class of most patches (a tie counts as tumour: a missed tumour is the worse
        mistake), ``patches``, ``tumour_share`` of them, and the same two of each member. Without
        any vote the class is empty and shares are None.
    """
    counts = {name: _counted(found) for name, found in scores.items()}
    n_patches, n_tumour = (sum(pair[i] for pair in counts.values()) for i in (0, 1))
    share = _share(n_tumour, n_patches)
    found = {
        "class": "" if share is None else CLASSES[share >= _MAJORITY],
        "patches": n_patches,
        "tumour_share": share,
    }
    for name, (n, n_positive) in counts.items():
        found[f"{name}_patches"] = n
        found[f"{name}_tumour_share"] = _share(n_positive, n)
    return found


def vote_metrics(rows: list[dict]) -> dict[str, float | None]:
    """Count how many slides are called right.

    Parameters
    ----------
    rows : list of dict
        ``class`` and ``truth``, which is empty where it is not known.

    Returns
    -------
    dict
        ``slides`` of known truth and a vote, ``accuracy``, and ``recall`` of both classes; None
        where there are no such slides.
    """
    known = [(row["truth"], row["class"]) for row in rows if row["truth"] and row["class"]]
    found: dict[str, float | None] = {"slides": len(known)}
    found["accuracy"] = _share(sum(truth == called for truth, called in known), len(known))
    for name in CLASSES:
        called = [c for truth, c in known if truth == name]
        found[f"recall_{name}"] = _share(called.count(name), len(called))
    return found


def _counted(scores: Scores) -> tuple[int, int]:
    shares = scores.tumour_shares()
    return int(np.count_nonzero(~np.isnan(shares))), int(np.count_nonzero(shares >= _MAJORITY))


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
