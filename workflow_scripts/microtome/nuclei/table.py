"""The table of the nuclei of a slide, as Parquet, written and read a part at a time."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from microtome.errors import InputError
from microtome.io.atomic import atomic

# Rows that are compressed, and read, as one.
_GROUP_ROWS = 2**16
_NUMBERS = ("x_um", "y_um", "x_px", "y_px", "confidence", "haematoxylin")
_LATENT = "latent"
_ABOUT = b"microtome"

Batch = Mapping[str, np.ndarray]


def write_nuclei(
    path: str | Path, batches: Iterable[Batch], *, about: Mapping, latent_depth: int | None = None
) -> int:
    """Write a table of nuclei; memory does not grow with their number.

    Parameters
    ----------
    path : str or Path
        The Parquet file.
    batches : iterable of mapping of str to ndarray
        Columns of the same length, in any portions: ``x_um``, ``y_um``, ``x_px`` and ``y_px``, from
        the upper left corner of level 0, ``confidence`` and ``haematoxylin``, which become float32;
        with a depth ``latent`` too, (n, latent_depth), which becomes float16.
    about : mapping
        What `read_about` gives: anything that JSON can hold.
    latent_depth : int, optional
        Numbers of each latent vector.

    Returns
    -------
    int
        How many nuclei there are.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> batch = {name: np.arange(3) for name in _NUMBERS}
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.parquet"
    ...     n = write_nuclei(path, [batch, batch], about={"slide": "a"})
    ...     read_about(path), [part["x_um"] for part in read_nuclei(path, ["x_um"])]
    ({'slide': 'a'}, [array([0., 1., 2., 0., 1., 2.], dtype=float32)])
    """
    fields = [pa.field(name, pa.float32(), nullable=False) for name in _NUMBERS]
    if latent_depth:
        vector = pa.list_(pa.field("item", pa.float16(), nullable=False), latent_depth)
        fields.append(pa.field(_LATENT, vector, nullable=False))
    schema = pa.schema(fields, metadata={_ABOUT: json.dumps(dict(about))})
    n = 0
    with (
        atomic(path) as temporary,
        parquet.ParquetWriter(temporary, schema, compression="zstd", use_dictionary=False) as file,
    ):
        for group in _regroup(batches, schema.names):
            arrays = [_to_arrow(group[field.name], field.type) for field in schema]
            file.write_table(pa.table(arrays, schema=schema), row_group_size=_GROUP_ROWS)
            n += len(arrays[0])
    return n


def read_nuclei(
    path: str | Path, columns: Sequence[str] | None = None
) -> Iterator[dict[str, np.ndarray]]:
    """Read a table that `write_nuclei` wrote, some ten thousand nuclei at a time.

    Of `columns`, all if unset, those that the table does not have are left out. InputError if the
    file is no such table.
    """
    with _open(path) as file:
        names = file.schema_arrow.names
        chosen = names if columns is None else [name for name in columns if name in names]
        # Not by `iter_batches`, whose memory grows with the number of groups.
        for group in range(file.num_row_groups):
            part = file.read_row_group(group, columns=chosen)
            yield {name: _to_numpy(part[name].combine_chunks()) for name in chosen}


def read_about(path: str | Path) -> dict:
    """Read what a table of nuclei is about; InputError if the file is no such table."""
    with _open(path) as file:
        return json.loads(file.schema_arrow.metadata[_ABOUT])


def count_nuclei(path: str | Path) -> int:
    """Count the nuclei of a table, without reading them; InputError if the file is none."""
    with _open(path) as file:
        return file.metadata.num_rows


def _open(path: str | Path) -> parquet.ParquetFile:
    try:
        file = parquet.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} cannot be read as a table of nuclei ({reason})") from error
    if _ABOUT not in (file.schema_arrow.metadata or {}):
        file.close()
        raise InputError(f"{path} is no table of nuclei: results/nuclei has those")
    return file


def _regroup(batches: Iterable[Batch], names: Sequence[str]) -> Iterator[dict[str, np.ndarray]]:
    """Join and cut batches to groups of one number of rows; the last may have fewer."""
    waiting: list[Batch] = []
    n = 0
    for batch in batches:
        waiting.append({name: batch[name] for name in names})
        n += len(batch[names[0]])
        while n >= _GROUP_ROWS:
            joined = {name: np.concatenate([part[name] for part in waiting]) for name in names}
            yield {name: values[:_GROUP_ROWS] for name, values in joined.items()}
            waiting = [{name: values[_GROUP_ROWS:] for name, values in joined.items()}]
            n -= _GROUP_ROWS
    if n:
        yield {name: np.concatenate([part[name] for part in waiting]) for name in names}


def _to_arrow(values: np.ndarray, dtype: pa.DataType) -> pa.Array:
    if pa.types.is_fixed_size_list(dtype):
        flat = np.ascontiguousarray(values, np.float16).reshape(-1)
        return pa.FixedSizeListArray.from_arrays(pa.array(flat), type=dtype)
    return pa.array(values.astype(np.float32, copy=False))


def _to_numpy(array: pa.Array) -> np.ndarray:
    if pa.types.is_fixed_size_list(array.type):
        return array.flatten().to_numpy().reshape(len(array), -1)
    return array.to_numpy()
