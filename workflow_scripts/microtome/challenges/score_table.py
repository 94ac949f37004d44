"""Scores of several submissions to a challenge side by side, as leaderboards have them."""

from collections.abc import Mapping

_LEFT_OUT = ("challenge", "notes")


def score_rows(scores: Mapping[str, Mapping]) -> list[dict]:
    """Give a row a submission: its name, and all of its scores that are one number or none.

    `scores` are summaries of `microtome.challenges.scoring_step.score_submission` by name.

    Examples
    --------
    >>> score_rows({"vote": {"challenge": "camelyon17", "kappa": 0.9, "notes": []}})
    [{'submission': 'vote', 'kappa': 0.9}]
    """
    return [
        {"submission": name}
        | {
            key: value
            for key, value in found.items()
            if key not in _LEFT_OUT and not isinstance(value, list | dict)
        }
        for name, found in scores.items()
    ]
