"""The baseline: logistic regression on mean and standard deviation of R, G and B of a patch.

What it reaches, colour alone gives away; a model is worth what it adds to that.
"""

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from microtome.datasets import PatchData


def colour_features(images: torch.Tensor) -> torch.Tensor:
    """Mean and standard deviation of each channel: (B, 3, H, W) in [0, 1] -> (B, 6)."""
    std, mean = torch.std_mean(images, dim=(2, 3), correction=0)
    return torch.cat([mean, std], dim=1)


class ColourModel(nn.Module):
    """Logits of {not tumour, tumour} from colour statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B, 2) of images (B, 3, H, W) in [0, 1]."""
        logit = self.linear(colour_features(images))
        return torch.cat([torch.zeros_like(logit), logit], dim=1)


def fit_colour(data: PatchData) -> ColourModel:
    """Fit the baseline with both classes weighted alike.

    Parameters
    ----------
    data : PatchData
        Labelled patches of both classes.

    Returns
    -------
    ColourModel
    """
    features = np.concatenate([colour_features(images).numpy() for images, _ in data.in_order(64)])
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
