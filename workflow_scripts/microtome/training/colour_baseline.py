"""Fitting the colour-only baseline."""

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from microtome.networks.colour import ColourModel, colour_features
from microtome.networks.devices import as_input
from microtome.training.batches import Patches


def fit_colour(data: Patches) -> ColourModel:
    """Fit the baseline to labelled patches, both classes weighted alike."""
    features = np.concatenate(
        [colour_features(as_input(images)).numpy() for images, _ in data.in_order(64)]
    )
    steps = make_pipeline(
        StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000)
    )
    steps.fit(features, data.labels)
    scaler, regression = steps[0], steps[1]
    model = ColourModel()
    slope = regression.coef_[0] / scaler.scale_
    intercept = regression.intercept_[0] - slope @ scaler.mean_
    with torch.no_grad():
        model.linear.weight.copy_(torch.as_tensor(slope)[None])
        model.linear.bias.fill_(float(intercept))
    return model
