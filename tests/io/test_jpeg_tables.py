"""JPEG files in two parts, tables and picture, are whole together."""

import imagecodecs
import numpy as np
import pytest
import simplejpeg

from helpers.pictures import noise
from microtome.io.jpeg import encode_jpeg
from microtome.io.jpeg_tables import split_jpeg


@pytest.mark.parametrize("quality", [1, 50, 90, 100])
def test_split_jpegs_are_whole_together(quality):
    """Tables and picture decode to what the file did; all of a quality share the tables."""
    first, second = (encode_jpeg(noise(48, 64, seed=seed), quality=quality) for seed in (1, 2))
    tables, picture = split_jpeg(first)
    found = imagecodecs.jpeg8_decode(
        picture, tables=tables, colorspace="YCbCr", outcolorspace="RGB"
    )
    np.testing.assert_array_equal(found, simplejpeg.decode_jpeg(first, "RGB"))
    assert split_jpeg(second)[0] == tables
    # Quantization and Huffman; a decoder that lacks the latter may take the standard's in silence.
    assert min(tables.count(b"\xff\xdb"), tables.count(b"\xff\xc4")) > 0
    assert len(tables) + len(picture) < len(first)  # JFIF is left out
