"""Networks that detect nuclei, made ready to predict."""

from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from microtome.errors import InputError
from microtome.networks.batch_norm_folding import fold_into_convolutions
from microtome.networks.crosswise import CrosswiseCAE
from microtome.networks.devices import as_input, autocast, default_device


class Detected(NamedTuple):
    """What a network says of an image of `height` x `width` px.

    `detection` is an ndarray of shape (h, w), float32, at least 0: h = height / reduction.
    `latents` has the foreground vectors, (h, w, depth), float16; None where none were asked for.
    """

    detection: np.ndarray
    latents: np.ndarray | None


class Detector:
    """A network that detects nuclei, on its device.

    Batch norms are folded into convolutions, channels are last in memory, and only those parts of
    the network are computed that lead to what is asked for.

    Parameters
    ----------
    network : Module
        Has ``detect(images)``, which maps images (B, 3, H, W) in [0, 1] to detection maps
        (B, 1, h, w); ``reduction``, px a side of one of their locations; ``reach_px``, how many px
        beyond these it depends on; and ``lattice_px``, of which H and W are multiples.
    latents : bool
        Whether to give the foreground vectors too, which only an autoencoder has.

    Attributes
    ----------
    offset_px : tuple of float
        How far to the right of a location that fires, and below, its nucleus lies.
    """

    def __init__(self, network: nn.Module, *, latents: bool = False) -> None:
        if latents and not isinstance(network, CrosswiseCAE):
            raise InputError(
                "nuclei.latents: a supervised detector has no foreground features; set it to false,"
                " or list the autoencoder alone in nuclei.run"
            )
        self._device = default_device()
        folded = fold_into_convolutions(network)
        self._network = folded.to(self._device, memory_format=torch.channels_last)
        self.latent_depth = network.foreground_maps if latents else None
        self.reduction, self.reach_px = network.reduction, network.reach_px
        self.lattice_px = network.lattice_px
        # Only what learnt from places knows them.
        has_offset = isinstance(network, CrosswiseCAE)
        self.offset_px = tuple(network.offset_px.tolist()) if has_offset else (0.0, 0.0)

    def detect(self, pixels: np.ndarray) -> Detected:
        """Detect nuclei in an image, ndarray of shape (height, width, 3), uint8.

        InputError if the network gives something that is not a number, or the memory of the GPU
        does not hold what it computes.
        """
        try:
            detected = self._run(pixels)
        except torch.OutOfMemoryError as error:
            height, width = pixels.shape[:2]
            raise InputError(
                f"a window of {width} x {height} px does not fit into the memory of the GPU; use a"
                " GPU with more, the CPU (allow_cpu: true), or a network of less width"
            ) from error
        if not np.isfinite(detected.detection).all():
            raise InputError(
                "the detection map of the network has values that are not numbers: its training"
                " went wrong; look at its training curves, and train it again"
            )
        return detected

    def _run(self, pixels: np.ndarray) -> Detected:
        images = as_input(torch.from_numpy(pixels).movedim(-1, -3)[None], self._device)
        with torch.inference_mode(), autocast(self._device):
            latents = None
            if self.latent_depth:
                encoded = self._network.encode(images)
                detection = encoded.detection
                latents = encoded.foreground[0].movedim(0, -1).half().cpu().numpy()
            else:
                detection = self._network.detect(images)
            detection = detection[0, 0].float().cpu().numpy()
        return Detected(detection, latents)
