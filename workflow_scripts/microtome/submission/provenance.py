"""What a submission was made from: enough to make the same bytes again, and to see what changed."""

import hashlib
import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from pathlib import Path, PurePosixPath, PureWindowsPath

from microtome import __version__
from microtome.errors import InputError, one_line

# What a probability, a map or a file's bytes come from.
PACKAGES = (
    "imagecodecs",
    "imbalanced-learn",
    "numcodecs",
    "numpy",
    "openslide-bin",
    "openslide-python",
    "Pillow",
    "safetensors",
    "scikit-image",
    "scikit-learn",
    "scipy",
    "segmentation-models-pytorch",
    "shapely",
    "simplejpeg",
    "tifffile",
    "timm",
    "torch",
    "torchvision",
    "zarr",
)


def describe_submission(
    *,
    challenge: str,
    config: Mapping,
    code: Mapping[str, str],
    files: Sequence[str | Path],
    archive: str | Path,
    cases: Mapping,
) -> dict:
    """Describe a submission, without dates and without anything of the machine or its user.

    Parameters
    ----------
    challenge : str
        Which one.
    config : mapping
        The whole configuration as it was in effect, of what JSON can hold and paths.
    code : mapping of str to str
        The hash of each script's code, of `microtome.planning.code_hash`.
    files : sequence of str or Path
        What went into it: weights, forests, slide sheet.
    archive : str or Path
        The submission.
    cases : mapping
        What it holds, as `microtome.submission.checks` wants it.

    Returns
    -------
    dict
        ``challenge``; ``microtome`` and ``python``, their versions; ``code``; ``packages``, name ->
        version, None if it is not installed; ``files``, path, with a number behind it if absolute
        ones end alike -> ``path`` and ``sha256``; ``archive``, ``path`` and ``sha256``; ``cases``;
        ``config``. For JSON; keys are sorted in all but the outermost. Of an absolute path there is
        its last part only.

    Raises
    ------
    InputError
        A file is missing.
    """
    return {
        "challenge": challenge,
        "microtome": __version__,
        "python": platform.python_version(),
        "code": _make_portable(code),
        "packages": {name: _find_version(name) for name in sorted(PACKAGES)},
        "files": {name: _hash_file(path) for name, path in sorted(_name_files(files).items())},
        "archive": _hash_file(archive),
        "cases": _make_portable(cases),
        "config": _make_portable(config),
    }


def compare_records(first: Mapping, second: Mapping) -> list[str]:
    """Say in what two records of a submission differ, made by this module or read from JSON.

    Returns
    -------
    list of str
        One line each, sorted: where, and both values as JSON. 1 and 1.0 differ.

    Examples
    --------
    >>> compare_records({"code": "ab", "cases": {"x": [1]}}, {"code": "ac", "cases": {"x": [1, 2]}})
    ['cases.x[1]: nothing, and 2', 'code: "ab", and "ac"']
    """
    one, other = dict(_walk(first, "")), dict(_walk(second, ""))
    lines = []
    for key in sorted(one.keys() | other.keys()):
        values = [
            json.dumps(leaves[key], ensure_ascii=False) if key in leaves else "nothing"
            for leaves in (one, other)
        ]
        if values[0] != values[1]:
            lines.append(one_line(f"{key}: {values[0]}, and {values[1]}"))
    return lines


def _name_files(files: Sequence[str | Path]) -> dict[str, str]:
    named: dict[str, str] = {}
    for path in map(str, files):
        name = key = _make_portable(path)
        for n in count(2):
            if named.setdefault(key, path) == path:
                break
            key = f"{name} ({n})"
    return named


def _find_version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _hash_file(path: str | Path) -> dict[str, str]:
    try:
        with Path(path).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except (FileNotFoundError, IsADirectoryError):
        raise InputError(f"{path}: is no file; a submission cannot be traced to it") from None
    return {"path": _make_portable(str(path)), "sha256": digest}


def _make_portable(value: object) -> object:
    """Sort keys, and take from absolute paths whatever tells of the machine."""
    if isinstance(value, Mapping):
        items = {str(key): content for key, content in value.items()}
        return {_make_portable(key): _make_portable(items[key]) for key in sorted(items)}
    if isinstance(value, list | tuple):
        return [_make_portable(item) for item in value]
    if isinstance(value, Path):
        return _make_portable(str(value))
    if isinstance(value, str):
        kinds = (PurePosixPath, PureWindowsPath)
        if value.startswith("~") or any(kind(value).is_absolute() for kind in kinds):
            # As of Windows, which takes both kinds of slash.
            return PureWindowsPath(value).name
    return value


def _walk(value: object, key: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping) and (value or not key):
        for name, content in value.items():
            yield from _walk(content, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list | tuple) and value:
        for i, content in enumerate(value):
            yield from _walk(content, f"{key}[{i}]")
    else:
        yield key, value
