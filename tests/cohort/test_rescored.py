"""Entries of kind rescored that cannot be are refused in one line."""

import pytest

from microtome.cohort.ensemble_checks import check_members
from microtome.cohort.rescored import check_rescored, list_parts

MODELS = {
    "a": {"kind": "segmenter"},
    "b": {"kind": "segmenter"},
    "cae": {"kind": "histocae"},
    "both": {"kind": "ensemble", "members": ["a", "b"]},
    "mixed": {"kind": "ensemble", "members": ["a", "cae"]},
    "votes": {"kind": "vote", "members": ["a", "b"]},
    "again": {"kind": "rescored", "model": "a", "overlap": 0.75},
    "csp": {"kind": "crosswise"},
}


def check(model: str, **own: object) -> list[str]:
    """Check an entry that has the weights of a model; give the mistakes."""
    return [*check_rescored("models.x", {"kind": "rescored", "model": model, **own}, MODELS)]


@pytest.mark.parametrize(
    ("model", "own"),
    [("a", {"overlap": 0}), ("both", {"inference_patch_px": 512}), ("cae", {"overlap": 0.75})],
)
def test_what_can_be_rescored(model, own):
    """A network or an ensemble with another overlap; of segmenters patches of another size too."""
    assert check(model, **own) == []


@pytest.mark.parametrize(
    ("model", "own", "line"),
    [
        ("z", {"overlap": 0}, ".model: there is no model 'z'; models has a, b, cae, both, mixed,"),
        ("votes", {"overlap": 0}, ".model: votes is of kind vote; name a model that scores"),
        ("again", {"overlap": 0}, ".model: again is of kind rescored; name a model that scores"),
        ("csp", {"overlap": 0}, ".model: csp is of kind crosswise; name a model that scores"),
        ("a", {}, ": would score what a scores; give inference_patch_px or overlap"),
        ("cae", {"inference_patch_px": 512}, ".inference_patch_px: cae is of kind histocae, which"),
        ("mixed", {"inference_patch_px": 512}, ".inference_patch_px: cae is of kind histocae, whi"),
    ],
)
def test_what_cannot(model, own, line):
    """The key is named, what it says, and what to do."""
    (said,) = check(model, **own)
    assert said.startswith(f"models.x{line}")


def test_whose_weights():
    """Those of the model, or of what it is made of; a network has its own."""
    again = {**MODELS, "more": {"kind": "rescored", "model": "both"}}
    assert [list_parts(again, name) for name in ("a", "both", "again", "more")] == [
        [],
        ["a", "b"],
        ["a"],
        ["a", "b"],
    ]


def test_it_is_no_member():
    """Members of an ensemble see the same patches, so the model itself is to be named."""
    entry = {"kind": "ensemble", "members": ["b", "again"]}
    (line,) = check_members("models.x", entry, MODELS)
    assert line == "models.x.members: again is of kind rescored; name a instead"
