"""The class of a slide by the majority of classifiers at several spacings, or of their patches.

Joint classification and segmentation of liver slides (2022), section 3.5, Eqs. 3 to 5. "The final
label is one that majority of the individual classifiers agrees" has two readings, which differ:
of all patches those of the finest spacing are nearly all.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from microtome.inference.score_store import Scores, open_scores
from microtome.rasters.bands import count_true
from microtome.rasters.label_tiff import open_raster
from microtome.rasters.labels import VIABLE

CLASSES = ("other", "tumour")
_MAJORITY = 0.5


def vote(scores: Mapping[str, Scores], *, majority: str) -> dict:
    """Let the patches of a slide vote.

    `scores` are what each member says of the slide. A patch votes for tumour where half of it or
    more is; one that could not be read does not vote. With the `majority` of 'patches' those of all
    members have one voice each; of 'classifiers' each member has one, the class of most of its
    patches. A tie counts as tumour: a missed tumour is the worse mistake.

    Gives ``class``, ``patches``, ``tumour_share`` of them, and the same two of each member. Without
    any vote the class is empty and shares are None.
    """
    shares = {name: found.tumour_shares() for name, found in scores.items()}
    n_patches = {name: int(np.count_nonzero(~np.isnan(found))) for name, found in shares.items()}
    n_tumour = {name: int(np.count_nonzero(found >= _MAJORITY)) for name, found in shares.items()}
    total = sum(n_patches.values())
    share = _divide(sum(n_tumour.values()), total)
    of_members = {name: _divide(n_tumour[name], n) for name, n in n_patches.items()}
    voices = share
    if majority == "classifiers":
        calls = [found >= _MAJORITY for found in of_members.values() if found is not None]
        voices = _divide(sum(calls), len(calls))
    found = {
        "class": "" if voices is None else CLASSES[voices >= _MAJORITY],
        "patches": total,
        "tumour_share": share,
    }
    for name, n in n_patches.items():
        found[f"{name}_patches"] = n
        found[f"{name}_tumour_share"] = of_members[name]
    return found


def count_right_votes(rows: list[dict]) -> dict[str, float | None]:
    """Count how many slides are called right.

    `rows` hold ``class`` and ``truth``, which is empty where it is not known. Counted are
    ``slides`` of known truth and a vote; shares of no slides are None.

    Examples
    --------
    >>> calls = [("tumour", "tumour"), ("other", "tumour"), ("", "other")]
    >>> count_right_votes([{"truth": truth, "class": called} for truth, called in calls])
    {'slides': 2, 'accuracy': 0.5, 'recall_other': 0.0, 'recall_tumour': 1.0}
    """
    known = [(row["truth"], row["class"]) for row in rows if row["truth"] and row["class"]]
    found: dict[str, float | None] = {"slides": len(known)}
    found["accuracy"] = _divide(sum(truth == called for truth, called in known), len(known))
    for name in CLASSES:
        called = [c for truth, c in known if truth == name]
        found[f"recall_{name}"] = _divide(called.count(name), len(called))
    return found


def vote_on_slide(
    *,
    slide: str,
    scores: Mapping[str, str | Path],
    majority: str,
    truth: str | Path | None,
    label: str | None,
) -> dict:
    """Vote on a slide, and say what is true of it where that is known.

    The `majority` is that of `vote`. The truth is that of the sheet's `label`, with which there is
    tumour unless it is 'negative'; if that is unset, that of the truth map. Gives ``slide``,
    ``truth`` ('tumour', 'other', or empty), and what `vote` gives.
    """
    true_class = ""
    if label:
        true_class = CLASSES[label != "negative"]
    elif truth:
        raster = open_raster(truth)
        n_px = count_true(lambda first, n: raster.rows(first, n) == VIABLE, raster.shape)
        true_class = CLASSES[n_px > 0]
    found = vote({name: open_scores(path) for name, path in scores.items()}, majority=majority)
    return {"slide": slide, "truth": true_class, **found}


def _divide(part: int, whole: int) -> float | None:
    return part / whole if whole else None
