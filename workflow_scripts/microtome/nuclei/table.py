"""The table of the nuclei of a slide, as Parquet, written and read a part at a time."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
from pyarrow import compute, parquet

from microtome.errors import InputError
from microtome.io.atomic import atomic

# Rows that are compressed, and read, as one.
_GROUP_ROWS = 2**16
_NUMBERS = ("x_um", "y_um", "x_px", "y_px", "confidence", "haematoxylin")
_PX = ("x_px", "y_px")
_LATENT = "latent"
_AREA, _OUTLINE = "area_um2", "outline"
_CLASS, PROBABILITY = "class", "probability_"
_ABOUT, _FORM = b"microtome", b"microtome_columns"
# Groups that are held by who asks for nuclei by place: those beside and below each other.
_HELD_GROUPS = 8

Batch = Mapping[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Form:
    """Which columns a table has beside those of every one.

    Attributes
    ----------
    latent_depth : int or None
        Numbers of each latent vector: ``latent`` (n, latent_depth), which becomes float16.
    outlined : bool
        Whether there are ``area_um2``, NaN where it is not known, and ``outline``, object: arrays
        x, y, x, y ... in px of level 0, or empty. Both become float32, and null.
    attributes : tuple of str
        Whose probabilities there are: ``probability_NAME``, which become float32; with them
        ``class``, str, empty for none.
    """

    latent_depth: int | None = None
    outlined: bool = False
    attributes: tuple[str, ...] = ()


def write_nuclei(
    path: str | Path, batches: Iterable[Batch], *, about: Mapping, form: Form | None = None
) -> int:
    """Write a table of nuclei; memory does not grow with their number.

    Parameters
    ----------
    path : str or Path
        The Parquet file.
    batches : iterable of mapping of str to ndarray
        Columns of the same length, in any portions: ``x_um``, ``y_um``, ``x_px`` and ``y_px``, from
        the upper left corner of level 0, ``confidence`` and ``haematoxylin``, which become float32;
        and those of `form`.
    about : mapping
        What `read_about` gives: anything that JSON can hold.
    form : Form, optional
        Of a table that has more columns.

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
    form = form or Form()
    metadata = {_ABOUT: json.dumps(dict(about)), _FORM: json.dumps(asdict(form))}
    schema = pa.schema(_list_fields(form), metadata=metadata)
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

    Of `columns`, all if unset, those that the table does not have are left out; ``a*`` are those
    that begin so. InputError if the file is no such table.
    """
    with _open(path) as file:
        names = file.schema_arrow.names
        patterns = ["*"] if columns is None else columns
        chosen = [name for key in patterns for name in names if fnmatchcase(name, key)]
        # Not by `iter_batches`, whose memory grows with the number of groups.
        for group in range(file.num_row_groups):
            yield _as_columns(file.read_row_group(group, columns=chosen))


def read_about(path: str | Path) -> dict:
    """Read what a table of nuclei is about; InputError if the file is no such table."""
    with _open(path) as file:
        return json.loads(file.schema_arrow.metadata[_ABOUT])


def read_form(path: str | Path) -> Form:
    """Read which columns a table of nuclei has; InputError if the file is no such table."""
    with _open(path) as file:
        return _form_of(file)


def count_nuclei(path: str | Path) -> int:
    """Count the nuclei of a table, without reading them; InputError if the file is none."""
    with _open(path) as file:
        return file.metadata.num_rows


class NucleiByPlace:
    """The nuclei of a table by where they lie, of which few are in memory at a time.

    Nuclei are written window by window, so those of a place are in few of the table's groups. It is
    to be closed, or used in a ``with``.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> batch = {name: np.arange(3) for name in _NUMBERS}
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.parquet"
    ...     n = write_nuclei(path, [batch], about={"slide": "a"})
    ...     with NucleiByPlace(path) as nuclei:
    ...         nuclei.within(0, 0, 2, 9)["y_um"]
    array([0., 1.], dtype=float32)
    """

    def __init__(self, path: str | Path) -> None:
        self._file = _open(path)
        self.form = _form_of(self._file)
        groups = range(self._file.num_row_groups)
        self._sides = {name: np.array([self._find_sides(g, name) for g in groups]) for name in _PX}
        self._read = lru_cache(_HELD_GROUPS)(self._read_group)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def within(
        self, left_px: float, top_px: float, right_px: float, bottom_px: float
    ) -> dict[str, np.ndarray]:
        """Give all columns of the nuclei in a box of level-0 px, its right and lower side excluded.

        Their order is that of the table.
        """
        box = {"x_px": (left_px, right_px), "y_px": (top_px, bottom_px)}
        meets = np.ones(self._file.num_row_groups, bool)
        for name, (least, most) in box.items():
            sides = self._sides[name].reshape(-1, 2)
            meets &= (sides[:, 1] >= least) & (sides[:, 0] < most)
        parts = [_as_columns(self._file.schema_arrow.empty_table())]
        for group in np.flatnonzero(meets).tolist():
            part = self._read(group)
            inside = np.ones(len(part["x_px"]), bool)
            for name, (least, most) in box.items():
                inside &= (part[name] >= least) & (part[name] < most)
            parts.append({name: values[inside] for name, values in part.items()})
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _find_sides(self, group: int, name: str) -> tuple[float, float]:
        """The least and the greatest value of a column in a group."""
        index = self._file.schema_arrow.get_field_index(name)
        found = self._file.metadata.row_group(group).column(index).statistics
        return found.min, found.max

    def _read_group(self, group: int) -> dict[str, np.ndarray]:
        return _as_columns(self._file.read_row_group(group))


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


def _list_fields(form: Form) -> list[pa.Field]:
    fields = [pa.field(name, pa.float32(), nullable=False) for name in _NUMBERS]
    if form.latent_depth:
        vector = pa.list_(pa.field("item", pa.float16(), nullable=False), form.latent_depth)
        fields.append(pa.field(_LATENT, vector, nullable=False))
    if form.outlined:
        corners = pa.list_(pa.field("item", pa.float32(), nullable=False))
        fields += [pa.field(_AREA, pa.float32()), pa.field(_OUTLINE, corners)]
    if form.attributes:
        names = [PROBABILITY + attribute for attribute in form.attributes]
        fields += [pa.field(name, pa.float32()) for name in names]
        fields.append(pa.field(_CLASS, pa.string()))
    return fields


def _form_of(file: parquet.ParquetFile) -> Form:
    form = json.loads(file.schema_arrow.metadata[_FORM])
    return Form(**{**form, "attributes": tuple(form["attributes"])})


def _to_arrow(values: np.ndarray, dtype: pa.DataType) -> pa.Array:
    if pa.types.is_fixed_size_list(dtype):
        flat = np.ascontiguousarray(values, np.float16).reshape(-1)
        return pa.FixedSizeListArray.from_arrays(pa.array(flat), type=dtype)
    if pa.types.is_list(dtype):
        lengths = np.array([len(one) for one in values], np.int64)
        ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        flat = np.concatenate([np.empty(0), *values]).astype(np.float32)
        is_null = np.append(lengths == 0, False)
        return pa.ListArray.from_arrays(pa.array(ends, mask=is_null), pa.array(flat), type=dtype)
    if pa.types.is_string(dtype):
        return pa.array([name or None for name in values.tolist()], dtype)
    return pa.array(values.astype(np.float32, copy=False), from_pandas=True)  # NaN: null


def _as_columns(table: pa.Table) -> dict[str, np.ndarray]:
    return {name: _to_numpy(table[name].combine_chunks()) for name in table.column_names}


def _to_numpy(array: pa.Array) -> np.ndarray:
    if pa.types.is_fixed_size_list(array.type):
        return array.flatten().to_numpy().reshape(len(array), array.type.list_size)
    if pa.types.is_list(array.type):
        lengths = compute.list_value_length(array).fill_null(0).to_numpy()
        ends = np.cumsum(lengths)
        flat = array.flatten().to_numpy()
        found = np.empty(len(array), object)
        for i, (end, length) in enumerate(zip(ends.tolist(), lengths.tolist(), strict=True)):
            found[i] = flat[end - length : end]
        return found
    if pa.types.is_string(array.type):
        return array.fill_null("").to_numpy(zero_copy_only=False)
    return array.to_numpy(zero_copy_only=False)
