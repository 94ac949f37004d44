"""Memory and time of training for nuclei: measured points lie below what is asked for."""

import pytest

from microtome.planning.nucleus_needs import (
    classification_need,
    detection_need,
    image_prediction_need,
    nucleus_training_need,
    outlining_need,
)

FITTING = {"epochs": 1, "batch": 16}
CSP = {"kind": "crosswise", "width": 0.125, "patch_px": 100}
DETECTOR = {"kind": "nucleus_detector", "width": 0.5, "patch_px": 100, "training": FITTING}


def test_pretraining_as_measured():
    """Per Mpx of windows 7.7 s at 1/8 of the maps; 500 MB beside PyTorch's for 16 windows."""
    entry = {**CSP, "pretraining": {"patches": 10_000, **FITTING}}
    need = nucleus_training_need(entry, image_mb=0, on_gpu=False)
    assert 7.7 * 100 < need.s < 3 * 7.7 * 100
    assert 518 + 500 < need.mb < 2 * (518 + 500)


def test_half_a_million_windows_need_little_memory():
    """Their places alone: ten times as many windows, ten times the time, hardly more memory."""
    few, many = (
        nucleus_training_need(
            {**CSP, "pretraining": {"patches": n, **FITTING}}, image_mb=0, on_gpu=True
        )
        for n in (50_000, 500_000)
    )
    assert many.s - 15 == pytest.approx(10 * (few.s - 15))
    assert many.mb - few.mb < 10


def test_labelled_images_are_held():
    """Twice the files, twice what is held and seen; predicting holds one."""
    one, two = (nucleus_training_need(DETECTOR, image_mb=mb, on_gpu=False) for mb in (50, 100))
    assert two.mb - one.mb == pytest.approx(50 * 6)
    assert two.s - 15 == pytest.approx(2 * (one.s - 15))
    few, many = (image_prediction_need(DETECTOR, image_mb=mb, on_gpu=False) for mb in (50, 100))
    assert (few.mb, many.s > few.s) == (many.mb, True)


def test_a_classifier_sees_25_crops():
    """So its predictions take 25 times as long, but for the network's own speed."""
    detector = image_prediction_need(DETECTOR, image_mb=10, on_gpu=False).s - 15
    entry = {**DETECTOR, "kind": "nucleus_classifier"}
    assert image_prediction_need(entry, image_mb=10, on_gpu=False).s - 15 > 24 * detector
    vgg = {"kind": "nucleus_classifier", "network": "vgg16", "patch_px": 100, "training": FITTING}
    assert image_prediction_need(vgg, image_mb=10, on_gpu=False).mb > 1000


def test_maps_as_large_as_the_image_need_more():
    """Per Mpx of windows 61 s and 18 GB at half the maps without pooling, as measured."""
    entry = {**CSP, "width": 0.5, "pretraining": {"patches": 10_000, **FITTING}, "reduction": 1}
    full = nucleus_training_need(entry, image_mb=0, on_gpu=False)
    assert 61.4 * 100 < full.s < 2 * 61.4 * 100
    assert 18_100 * 0.16 < full.mb < 2 * 18_100 * 0.16
    assert full.mb > nucleus_training_need({**entry, "reduction": 4}, image_mb=0, on_gpu=False).mb


def test_finding_nuclei_as_measured():
    """Of the paper's maps 33 s of two cores a Mpx and 3 GB with PyTorch, at any size of a slide."""
    entry, measured = {**CSP, "width": 1.0}, {"image": 0}
    small, large = (
        detection_need(entry, measured, mpx=mpx, threads=2, on_gpu=False) for mpx in (7.2, 2500)
    )
    assert small.s * 3 > 33 * 7.2
    assert 2990 < small.mb < 2 * 2990
    assert large.mb == small.mb
    assert large.s > 300 * small.s / 2
    on_gpu = detection_need(entry, measured, mpx=2500, threads=2, on_gpu=True)
    assert on_gpu.s < large.s / 10


def test_outlining_as_measured():
    """16.8 Mpx full of px of nuclei, at 1/20 of the maps, on two cores that others shared."""
    entry = {"kind": "nucleus_segmenter", "reduction": 1, "width": 0.05}
    need = outlining_need(entry, {"image": 0}, mpx=16.8, threads=2, on_gpu=False)
    assert 1582 < need.mb < 2 * 1582
    assert 3 * need.s > 287


@pytest.mark.parametrize(
    ("need", "kind"),
    [(outlining_need, "nucleus_segmenter"), (classification_need, "nucleus_classifier")],
)
def test_what_looks_at_nuclei_again(need, kind):
    """Twice the slide, twice the time; the same memory; and a GPU needs a twentieth."""
    entry = {**DETECTOR, "kind": kind, "spacing_um": 0.5}
    work = {"measured": {"image": 0}, "threads": 4}
    one, two = (need(entry, **work, mpx=mpx, on_gpu=False) for mpx in (1000, 2000))
    assert two.s - 15 == pytest.approx(2 * (one.s - 15))
    assert two.mb == one.mb
    assert need(entry, **work, mpx=1000, on_gpu=True).s < one.s / 4


def test_the_crops_of_a_nucleus_take_their_time():
    """25 of them where windows were moved in training, and each as long as the first."""
    entry = {**DETECTOR, "kind": "nucleus_classifier", "spacing_um": 0.5}
    work = {"measured": {"image": 0}, "mpx": 1000, "threads": 4, "on_gpu": False}
    one = classification_need(entry, **work).s - 15
    many = classification_need({**entry, "augmentation": {"shift_px": 8}}, **work).s - 15
    assert 24 * one < many < 25 * one
