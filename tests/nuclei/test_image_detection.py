"""Nuclei of images: the same however they are cut into windows, by real networks."""

import numpy as np
import pytest
import torch

from helpers.pictures import noise
from microtome.errors import InputError
from microtome.networks.crosswise import CrosswiseCAE
from microtome.nuclei.detector import Detector
from microtome.nuclei.finder import Nuclei, NucleusFinder
from microtome.nuclei.image_detection import find_nuclei_of_image
from microtome.nuclei.peaks import PeakSettings
from nuclei.random_networks import autoencoder, detector

SETTINGS = PeakSettings(min_distance_um=3.0, smoothing_um=1.0, threshold=0.2)


def columns(found: Nuclei) -> np.ndarray:
    """(n, 4): y, x, confidence, haematoxylin, sorted by place."""
    table = np.stack([found.y_px, found.x_px, found.confidence, found.haematoxylin], axis=1)
    return table[np.lexsort((table[:, 1], table[:, 0]))]


@pytest.mark.parametrize(
    ("network", "inner_px"),
    [
        (autoencoder(), 60),
        (autoencoder(offset_px=(2.5, -11.25)), 84),
        (autoencoder(reduction=1), 55),
        (detector("plain"), 100),
        (detector("unet"), 64),
    ],
)
def test_windows_find_what_one_piece_finds(network, inner_px):
    """Whatever the windows: places to the px, but where rounding decides, and confidences."""
    pixels = noise(150, 203)
    finder = NucleusFinder(network, SETTINGS, spacing_um=0.5)
    whole = find_nuclei_of_image(finder, pixels, inner_px=256)
    parts = find_nuclei_of_image(finder, pixels, inner_px=inner_px)
    assert len(whole.x_px) > 20
    distance = np.abs(columns(parts)[:, None] - columns(whole)).max(axis=2)
    for nearest in (distance.min(axis=0), distance.min(axis=1)):
        assert (nearest < 1e-4).mean() > 0.95


def test_nuclei_lie_beside_what_fires_by_the_offset():
    """What fires beyond the image has its nucleus in it, and what fires there may have none."""
    pixels = noise(120, 160)
    at, beside = (
        columns(
            find_nuclei_of_image(
                NucleusFinder(autoencoder(offset_px=offset), SETTINGS, spacing_um=0.5), pixels
            )
        )
        for offset in ((0, 0), (29.5, -21.25))
    )
    moved = at[:, :3] + (-21.25, 29.5, 0)
    # Whatever of these competes with others does so in both.
    inside = moved[(moved[:, 0] > 10) & (at[:, 0] < 110) & (at[:, 1] > 10) & (moved[:, 1] < 150)]
    assert 5 < len(inside) < len(at) - 5
    far = np.abs(beside[:, None, :3] - inside).max(axis=2).min(axis=0)
    assert (far < 1e-5).all()
    assert (beside[:, 1] < 25).any()
    assert beside[:, 0].min() >= 0


@pytest.mark.parametrize("variant", ["crosswise", "plain", "unet"])
def test_a_detector_gives_what_its_network_gives(variant):
    """Batch norms folded, channels last: up to rounding the same map."""
    network = autoencoder() if variant == "crosswise" else detector(variant)
    pixels = noise(64, 80)
    with torch.inference_mode():
        images = torch.from_numpy(pixels).movedim(-1, 0)[None] / 255
        expected = network.detect(images)[0, 0].numpy()
    np.testing.assert_allclose(Detector(network).detect(pixels).detection, expected, atol=1e-4)


def test_nuclei_of_a_mirrored_image_are_mirrored():
    """Nothing is shifted by half a px or by a location: with a network that mirrors as well."""
    torch.manual_seed(4)
    cae = autoencoder()
    with torch.no_grad():
        for layer in cae.modules():
            if isinstance(layer, torch.nn.Conv2d):
                layer.weight.copy_((layer.weight + layer.weight.flip(3)) / 2)
    finder = NucleusFinder(cae, PeakSettings(3.0, 1.0, 0.0), spacing_um=0.5)
    pixels = noise(120, 160)
    found = columns(find_nuclei_of_image(finder, pixels))
    other = columns(find_nuclei_of_image(finder, pixels[:, ::-1]))
    other[:, 1] = 160 - other[:, 1]
    other = other[np.lexsort((other[:, 1], other[:, 0]))]
    assert len(found) > 20
    # Of two equal peaks within the least distance the left one is taken: such are few.
    near = np.hypot(*(found[:, None, :2] - other[None, :, :2]).T).min(axis=0) < 0.01
    assert near.mean() > 0.9


def test_no_px_is_computed_more_than_1_1_times():
    """By the side of the windows that slides are cut into."""
    finder = NucleusFinder(autoencoder(), SETTINGS, spacing_um=0.5)
    assert finder.margin_px == 32
    assert ((finder.inner_px + 2 * finder.margin_px) / finder.inner_px) ** 2 <= 1.1


def test_latents_are_the_foreground_where_the_nucleus_fires():
    """The vector of the location with the highest detection at the nucleus, from the network."""
    cae, pixels = autoencoder(), noise(96, 96)
    finder = NucleusFinder(cae, SETTINGS, spacing_um=0.5, latents=True)
    found = find_nuclei_of_image(finder, pixels, inner_px=64)
    wide = np.pad(pixels, ((32, 32), (32, 32), (0, 0)), mode="symmetric")
    with torch.inference_mode():
        encoded = cae.encode(torch.from_numpy(wide).movedim(-1, 0)[None] / 255)
    detection = encoded.detection[0, 0].numpy()
    assert len(found.x_px) > 5
    for x, y, latent in zip(found.x_px, found.y_px, found.latents, strict=True):
        row, column = int(y + 32) // 4, int(x + 32) // 4
        near = detection[row - 1 : row + 2, column - 1 : column + 2]
        vectors = encoded.foreground[0, :, row - 1 : row + 2, column - 1 : column + 2].numpy()
        best = vectors[:, near > near.max() - 1 / 256]
        assert np.isclose(best, latent[:, None], rtol=5e-3, atol=1e-3).all(axis=0).any()
        assert latent.any()


def test_latents_of_a_supervised_detector_are_refused():
    """It has no foreground; the line says what to set."""
    with pytest.raises(InputError, match=r"nuclei\.latents: a supervised detector"):
        NucleusFinder(detector("plain"), SETTINGS, spacing_um=0.5, latents=True)


def test_a_map_that_is_no_number_is_refused():
    """Nothing is found of it, and nothing is said to be there."""
    cae = autoencoder()
    with torch.no_grad():
        cae.part5.threshold.fill_(float("nan"))
    with pytest.raises(InputError, match="not numbers"):
        find_nuclei_of_image(NucleusFinder(cae, SETTINGS, spacing_um=0.5), noise(40, 40))


def test_a_full_gpu_is_one_line(monkeypatch):
    """It says how large the window was, and what to do."""
    cae = autoencoder()

    def run_out(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(CrosswiseCAE, "detect", run_out)
    with pytest.raises(InputError, match="a window of 104 x 104 px does not fit into the memory"):
        find_nuclei_of_image(NucleusFinder(cae, SETTINGS, spacing_um=0.5), noise(40, 40))
