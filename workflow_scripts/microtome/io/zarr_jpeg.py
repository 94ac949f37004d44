"""JPEG as the codec of a Zarr v3 chunk.

The name in the store is ``imagecodecs_jpeg``, the codec of the package imagecodecs-zarr, with which
plain zarr-python opens a store of this workflow::

    pip install imagecodecs-zarr     # Python 3.12 or later; zarr finds it
    zarr.open_group("slide.zarr", mode="r")["pixels"][0]

Without it, ``import microtome.io.zarr_jpeg`` before opening does the same by simplejpeg. A chunk is
one complete JPEG file of an RGB image, so other programs need only the offset and length in the
shard's index.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from zarr.abc.codec import ArrayBytesCodec
from zarr.core.array_spec import ArraySpec
from zarr.core.buffer import Buffer, NDBuffer
from zarr.registry import get_codec_class, register_codec

from microtome.io.jpeg import SUBSAMPLING, decode_jpeg_into, encode_jpeg

NAME = "imagecodecs_jpeg"


@dataclass(frozen=True)
class JpegCodec(ArrayBytesCodec):
    """One RGB image per chunk: its last three dimensions; those before have length 1.

    Only encoding needs the quality `level` and the subsampling of chroma ('420', '422', '444');
    they are None if the JPEGs come from elsewhere.
    """

    is_fixed_size = False

    level: int | None = None
    subsampling: str | None = None

    @classmethod
    def from_dict(cls, data: dict) -> Self:
        """Make the codec from its entry in a ``zarr.json``."""
        return cls(**data.get("configuration", {}))

    def to_dict(self) -> dict:
        """Make the entry of a ``zarr.json``."""
        given = {"level": self.level, "subsampling": self.subsampling}
        settings = {key: value for key, value in given.items() if value is not None}
        return {"name": NAME, "configuration": settings} if settings else {"name": NAME}

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        """Not known before encoding."""
        raise NotImplementedError

    async def _decode_single(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        pixels = np.empty(chunk_spec.shape, np.uint8)
        decode_jpeg_into(chunk_bytes.to_bytes(), pixels.reshape(pixels.shape[-3:]))
        return chunk_spec.prototype.nd_buffer.from_numpy_array(pixels)

    async def _encode_single(self, chunk_array: NDBuffer, chunk_spec: ArraySpec) -> Buffer:
        pixels = np.ascontiguousarray(chunk_array.as_numpy_array())
        content = encode_jpeg(
            pixels.reshape(pixels.shape[-3:]),
            quality=90 if self.level is None else self.level,
            subsampling=self.subsampling or SUBSAMPLING,
        )
        return chunk_spec.prototype.buffer.from_bytes(content)


try:
    get_codec_class(NAME)  # from imagecodecs-zarr, if that is installed
except KeyError:
    register_codec(NAME, JpegCodec)
