"""Tiles of H&E and of glass, and their JPEG streams as an Aperio scanner abbreviates them."""

from dataclasses import dataclass

import imagecodecs
import library  # noqa: F401 - makes the library importable
import numpy as np

from microtome.demo.slide import draw_slide

PICTURE_PX = 7680
SEED = 2021
# By the mean of the green channel, which both stains take away: what is sure to be either.
_TISSUE_BELOW = 200
_GLASS_ABOVE = 233

_SOI, _EOI, _SOS, _SOF0, _DQT, _DHT = 0xD8, 0xD9, 0xDA, 0xC0, 0xDB, 0xC4


@dataclass(frozen=True)
class Coding:
    """How the tiles of a slide are coded.

    Attributes
    ----------
    tile_px : int
        Side of a tile.
    photometric : {'ycbcr', 'rgb'}
        YCbCr with half the resolution in colour, or RGB.
    quality : int
        Of the JPEG, 1 to 100.
    """

    tile_px: int
    photometric: str
    quality: int

    def encode(self, pixels: np.ndarray) -> tuple[bytes, bytes]:
        """One tile, (tile_px, tile_px, 3) uint8 -> the slide's JPEGTables, the tile's stream."""
        rgb = self.photometric == "rgb"
        whole = imagecodecs.jpeg8_encode(
            np.ascontiguousarray(pixels),
            level=self.quality,
            colorspace="RGB",
            outcolorspace="RGB" if rgb else "YCbCr",
            subsampling="444" if rgb else "420",
        )
        return _abbreviate(whole, plain_ids=rgb)


def draw_tiles(tile_px: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Cut the tiles of tissue and of glass out of a drawn slide.

    Parameters
    ----------
    tile_px : int
        Side of a tile.

    Returns
    -------
    tissue, glass : list of ndarray of shape (tile_px, tile_px, 3)
        uint8 RGB, in the order of the drawn slide.
    """
    drawn = draw_slide("bench", seed=SEED, width_px=PICTURE_PX, height_px=PICTURE_PX).pixels
    tissue, glass = [], []
    for top in range(0, PICTURE_PX - tile_px + 1, tile_px):
        for left in range(0, PICTURE_PX - tile_px + 1, tile_px):
            tile = drawn[top : top + tile_px, left : left + tile_px].copy()
            # In every corner too: tiles across the border of tissue are neither.
            green = tile[..., 1].reshape(2, tile_px // 2, 2, tile_px // 2).mean((1, 3))
            if green.max() < _TISSUE_BELOW:
                tissue.append(tile)
            elif green.min() > _GLASS_ABOVE:
                glass.append(tile)
    return tissue, glass


def _abbreviate(stream: bytes, *, plain_ids: bool) -> tuple[bytes, bytes]:
    """Move quantisation and Huffman tables out of a stream, and drop all markers of programs.

    Without an Adobe marker nothing in the stream says whether it is RGB; `plain_ids` also names
    the components 0, 1, 2, as scanners do, and not 'R', 'G', 'B', which decoders understand.
    """
    tables, kept = bytearray([0xFF, _SOI]), bytearray([0xFF, _SOI])
    at = 2
    while True:
        marker, length = stream[at + 1], int.from_bytes(stream[at + 2 : at + 4], "big")
        segment = bytearray(stream[at : at + 2 + length])
        if plain_ids and marker == _SOF0:
            segment[10:19:3] = bytes(range(3))
        if plain_ids and marker == _SOS:
            segment[5:11:2] = bytes(range(3))
        if marker in (_DQT, _DHT):
            tables += segment
        elif marker in (_SOF0, _SOS):
            kept += segment
        at += 2 + length
        if marker == _SOS:
            return bytes(tables + bytes([0xFF, _EOI])), bytes(kept + stream[at:])
