"""Models for nuclei that do not fit together, or cannot do what they are to, have a line each."""

import pytest

from microtome.cohort.nucleus_checks import check_nuclei, check_nucleus_model, list_nucleus_models

SIZED = {"reduction": 4, "width": 1.0, "sparsity_percent": 1.6, "spacing_um": 0.5, "patch_px": 100}
CSP = {"kind": "crosswise", "variant": "crosswise", **SIZED}
MODELS = {
    "csp": CSP,
    "full": {**CSP, "reduction": 1, "patch_px": 40},
    "sparse": {**CSP, "variant": "sparse"},
    "detector": {"kind": "nucleus_detector", "network": "crosswise", "start": "csp"},
    "segmenter": {"kind": "nucleus_segmenter", "network": "crosswise", "start": "full"},
    "classifier": {"kind": "nucleus_classifier", "network": "crosswise", "start": "csp"},
    "given": {
        "kind": "nucleus_segmenter",
        "network": "crosswise",
        "start": "full",
        "weights": "w.safetensors",
    },
    "dense": {
        "kind": "nucleus_segmenter",
        "network": "crosswise",
        "start": "full",
        "segmentation_layer": "dense",
        "weights": "w.safetensors",
    },
    "colour": {"kind": "colour"},
}
SECTION = {"run": ["csp"], "outlines": None, "classes": None, "images": None, "folds": 0}


def of_model(entry: dict, **changes) -> list[str]:
    """Check one entry, with other values."""
    return [*check_nucleus_model("models.m", {**entry, **changes}, MODELS)]


def of_section(*, tumour: tuple[str, ...] = ("colour",), **changes) -> list[str]:
    """Check the section with other values."""
    return [
        *check_nuclei({"models": MODELS, "run": list(tumour), "nuclei": {**SECTION, **changes}})
    ]


@pytest.mark.parametrize("name", [name for name in MODELS if name != "colour"])
def test_what_fits(name):
    """Autoencoders, and networks that start from one of their variant and reduction."""
    assert of_model(MODELS[name]) == []


@pytest.mark.parametrize("network", ["crosswise", "sparse", "dense", "plain", "unet"])
def test_what_starts_from_nothing(network):
    """It says its size itself; sparsity where there is a threshold."""
    entry = {**MODELS["detector"], "network": network, "start": None, **SIZED}
    assert of_model(entry) == []
    del entry["sparsity_percent"]
    missing = ["models.m: start is null, so sparsity_percent must be given"]
    assert of_model(entry) == (missing if network in ("crosswise", "sparse") else [])


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("detector", {"start": None}, "start is null, so spacing_um, patch_px, reduction, width"),
        ("detector", {"start": "none"}, "start: 'none' is no model of kind crosswise"),
        ("detector", {"start": "colour"}, "start: 'colour' is no model of kind crosswise"),
        (
            "detector",
            {"network": "sparse"},
            "start: csp is of variant crosswise, network",
        ),
        ("detector", {"network": "plain"}, "start: network plain has no autoencoder to start from"),
        (
            "detector",
            {**SIZED, "network": "unet", "start": None, "detection_slope": 1},
            "detection_slope: network unet has no detection map",
        ),
        ("detector", {"width": 0.5}, "width: is that of its start csp; leave it out"),
        ("detector", {**SIZED, "start": None, "frozen": True}, "frozen: true, but there is no"),
        ("segmenter", {"start": "csp"}, "a nucleus_segmenter needs reduction 1"),
        ("segmenter", {**SIZED, "start": None}, "a nucleus_segmenter needs reduction 1"),
    ],
)
def test_what_does_not_fit(name, changes, words):
    """One line that names model and key."""
    (line,) = of_model(MODELS[name], **changes)
    assert line.startswith("models.m")
    assert words in line


@pytest.mark.parametrize(
    ("entry", "percent", "words"),
    [
        (CSP, 0.159, "0.159 of the 625 places of a patch are 0.99, so nothing would be active"),
        ({**CSP, "patch_px": 20}, 1.6, "1.6 of the 25 places of a patch are 0.4, so nothing"),
    ],
)
def test_a_sparsity_that_leaves_nothing(entry, percent, words):
    """The line says which would do; of the variant sparse each map has its own places."""
    (line,) = of_model(entry, sparsity_percent=percent)
    assert words in line
    least = float(line.rpartition("take ")[2].split()[0])
    assert of_model(entry, sparsity_percent=least) == []
    assert of_model({**entry, "variant": "sparse"}, sparsity_percent=percent) == []
    assert of_model({**entry, "variant": "dense"}, sparsity_percent=percent) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"run": ["none"]}, "nuclei.run: there is no model 'none'; models has csp, full"),
        ({"run": ["colour"]}, "nuclei.run: colour is of kind colour, which finds no nuclei"),
        ({"run": ["sparse"]}, "nuclei.run: sparse is of variant sparse, which has no detection"),
        ({"run": ["detector"]}, "nuclei.images: null, but models.detector learns from labelled"),
        ({"outlines": "csp"}, "nuclei.outlines: 'csp' is no model of kind nucleus_segmenter"),
        ({"outlines": "dense"}, "nuclei.outlines: dense has segmentation_layer dense, which"),
        ({"classes": "given"}, "nuclei.classes: 'given' is no model of kind nucleus_classifier"),
        (
            {"classes": "classifier", "images": "i.tsv", "folds": 2},
            "nuclei.classes: classifier would be trained 2 times; set nuclei.folds to 0",
        ),
    ],
)
def test_a_section_that_asks_for_what_cannot_be(changes, words):
    """One line that names the key and the model."""
    (line,) = of_section(**changes)
    assert line.startswith(words)


def test_sections_that_can_be():
    """Supervised models with images, or with weights of their own."""
    assert of_section() == []
    assert of_section(outlines="given", folds=2, images="i.tsv") == []
    images = {"images": "i.tsv", "outlines": "segmenter", "classes": "classifier"}
    assert of_section(**images) == []
    named = list_nucleus_models({**SECTION, **images, "run": ["csp", "segmenter"]})
    assert named == ["csp", "segmenter", "classifier"]


def test_a_model_without_tumour_maps_is_not_run():
    """The line says where it is to be listed."""
    (line,) = of_section(tumour=("colour", "csp"))
    assert line == "run: csp is of kind crosswise and has no tumour map; list it in nuclei.run"
