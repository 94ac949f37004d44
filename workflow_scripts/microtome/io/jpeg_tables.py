"""JPEG files split into tables, which files of one quality share, and the picture itself."""

# Markers of JPEG: tables, what follows a picture's header, and the first and the last of a file.
_DQT, _DHT, _SOF0, _SOS = 0xDB, 0xC4, 0xC0, 0xDA
_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"


def split_jpeg(content: bytes) -> tuple[bytes, bytes]:
    """Split a baseline JPEG file into its tables and the picture itself, as TIFF stores them.

    Tables are the same for all pictures of one quality. Other parts, such as JFIF, are left out.
    """
    parts = {_DQT: b"", _DHT: b"", _SOF0: b""}
    position = len(_SOI)
    while (marker := content[position + 1]) != _SOS:
        end = position + 2 + int.from_bytes(content[position + 2 : position + 4], "big")
        if marker in parts:
            parts[marker] += content[position:end]
        position = end
    tables = _SOI + parts[_DQT] + parts[_DHT] + _EOI
    return tables, _SOI + parts[_SOF0] + content[position:]
