"""Starts that are no such network, or have no end, are refused in one line."""

import pytest

from microtome.cohort.starts import check_start

UNET = {"kind": "segmenter", "architecture": "unet", "encoder": "resnet18", "pretrained": "none"}
MODELS = {
    "colon": {**UNET, "pretrained": "hub", "weights": "w.safetensors", "spacing_um": 0.25},
    "larger": {**UNET, "encoder": "resnet34"},
    "plain": {"kind": "classifier", "architecture": "unet"},
    "next": {**UNET, "start": "colon"},
    "first": {**UNET, "start": "second"},
    "second": {**UNET, "start": "first"},
    "given": {**UNET, "start": "first", "weights": "w.safetensors"},
}


def check(start: str, **changes: object) -> list[str]:
    """Check a U-Net that starts from a model; give the mistakes."""
    return [*check_start("models.x", {**UNET, "start": start, **changes}, MODELS)]


@pytest.mark.parametrize("start", ["colon", "next", "given"])
def test_what_fits(start):
    """The same network, of whatever spacing, with weights or trained here."""
    assert check(start) == []


@pytest.mark.parametrize(
    ("start", "changes", "line"),
    [
        ("lung", {}, "start: there is no model 'lung'; models has colon, larger, plain, next, fir"),
        (
            "larger",
            {},
            "start: larger is of encoder resnet34, this is of encoder resnet18; weights",
        ),
        ("plain", {}, "start: plain is of kind classifier, this is of kind segmenter; weights fit"),
        ("colon", {"pretrained": "hub"}, "pretrained: hub, but it starts from colon; set pretrain"),
        ("first", {}, "start: first -> second -> first has no end; give one of them weights"),
    ],
)
def test_what_does_not(start, changes, line):
    """The key is named, what differs, and what to do."""
    (said,) = check(start, **changes)
    assert said.startswith(f"models.x.{line}")
