"""What a model found on labelled images, beside the truth."""

from collections.abc import Iterable

import numpy as np

from microtome.nucleus_images.labelled_image import LabelledImage
from microtome.nucleus_images.prediction_file import Predictions
from microtome.nucleus_scores.curve import Curve, Image, detection_curve


def read_detections(image: LabelledImage, predictions: Predictions) -> Image:
    """Read the detections of an image, of every confidence, and its true nuclei."""
    arrays = predictions[image.name]
    found = np.stack([arrays["x_um"], arrays["y_um"]], axis=1)
    return Image(found, arrays["confidence"], image.read_points())


def curve_of_images(
    images: Iterable[LabelledImage], predictions: Predictions, *, within_um: float
) -> Curve:
    """Count right detections at each threshold, over the images together."""
    return detection_curve(
        (read_detections(image, predictions) for image in images), within_um=within_um
    )
