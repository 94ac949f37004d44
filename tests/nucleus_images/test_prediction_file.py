"""Predictions of labelled images, from one file."""

import numpy as np
import pytest

from microtome.nucleus_images.prediction_file import read_predictions, write_predictions


def test_arrays_come_back_by_image_and_name(tmp_path):
    """Values, shapes, dtypes and the order of images; an image of nothing too."""
    arrays = {
        "b.x-1": {"x_um": np.array([0.1, 1e5]), "confidence": np.float32([0.3, 1])},
        "a": {"mask": np.eye(3, dtype=bool), "probability": np.float32([0.25])},
        "none": {"x_um": np.empty(0), "confidence": np.empty(0, np.float32)},
    }
    with write_predictions(tmp_path / "m.npz") as file:
        for image, of_image in arrays.items():
            file.add(image, **of_image)
    predictions = read_predictions(tmp_path / "m.npz")
    assert list(predictions) == list(arrays)
    assert len(predictions) == 3
    for image, of_image in arrays.items():
        found = predictions[image]
        assert list(found) == list(of_image)
        for name, array in of_image.items():
            assert found[name].dtype == array.dtype
            assert np.array_equal(found[name], array)
    with pytest.raises(KeyError):
        predictions["other"]


def test_equal_arrays_are_equal_bytes(tmp_path):
    """Nothing of when or where it was written is in the file."""
    for path in (tmp_path / "a.npz", tmp_path / "b.npz"):
        with write_predictions(path) as file:
            file.add("a", mask=np.eye(3, dtype=bool))
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_objects_are_neither_written_nor_an_image_twice(tmp_path):
    """No pickle, no second image of a name; nothing is left of a file that failed."""
    with pytest.raises(ValueError, match="Object arrays"), write_predictions(tmp_path / "m") as f:
        f.add("a", mask=np.array([None]))
    assert list(tmp_path.iterdir()) == []
    with write_predictions(tmp_path / "m") as file:
        file.add("a", mask=np.eye(2))
        with pytest.raises(ValueError, match="image a was written before"):
            file.add("a", mask=np.eye(2))
