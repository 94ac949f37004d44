"""What networks of each kind say of labelled images, as a file."""

import pytest
from PIL import Image

from helpers.pictures import noise
from microtome.networks.registry import build_model, save_weights
from microtome.nuclei.image_prediction import predict_images
from microtome.nucleus_images.prediction_file import read_predictions

SIZED = {"reduction": 4, "width": 0.02, "sparsity_percent": 8.0, "spacing_um": 0.5, "patch_px": 20}
DETECTOR = {"kind": "nucleus_detector", "network": "crosswise", "start": None, **SIZED}
CLASSIFIER = {**DETECTOR, "kind": "nucleus_classifier", "attributes": ["a", "b"]}
SEGMENTER = {**DETECTOR, "kind": "nucleus_segmenter", "reduction": 1}


@pytest.mark.parametrize(
    ("entry", "keys"),
    [
        (DETECTOR, {"x_um", "y_um", "confidence"}),
        (CLASSIFIER, {"probability"}),
        (SEGMENTER, {"mask"}),
    ],
)
def test_each_kind_says_its_own(tmp_path, entry, keys):
    """At the model's spacing, in the order of the rows; the same bytes each time."""
    rows = []
    for seed, name in enumerate("ba"):
        Image.fromarray(noise(40, 48, seed=seed) // 4 + 150).save(tmp_path / f"{name}.png")
        rows.append({"image": name, "path": tmp_path / f"{name}.png", "spacing_um": 0.25})
    weights = tmp_path / "m.safetensors"
    save_weights(weights, build_model(entry, seed=2), name="m", entry=entry, training={})
    about = {"min_distance_um": 3.0, "smoothing_um": 1.0, "threads": 1}
    files = [tmp_path / f"{n}.npz" for n in (1, 2)]
    for file in files:
        predict_images(file, rows, name="m", entry=entry, weights=weights, **about)
    assert files[0].read_bytes() == files[1].read_bytes()
    found = read_predictions(files[0])
    assert list(found) == ["b", "a"]
    assert found["a"].keys() == keys
    if "mask" in keys:
        assert (found["a"]["mask"].shape, found["a"]["mask"].dtype) == ((20, 24), bool)
    if "probability" in keys:
        assert found["a"]["probability"].shape == (2,)
        assert ((found["a"]["probability"] > 0) & (found["a"]["probability"] < 1)).all()
    if "x_um" in keys:
        assert len(found["a"]["x_um"]) > 0
        assert (found["a"]["x_um"] <= 12).all()
        assert (found["a"]["y_um"] <= 10).all()
