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

_ABSENT = object()


def provenance(
    *,
    challenge: str,
    config: Mapping,
    code: str | Mapping[str, str],
    files: Mapping[str, str | Path] | Sequence[str | Path],
    archive: str | Path,
    cases: Mapping | None = None,
    packages: Sequence[str] = PACKAGES,
) -> dict:
    """Describe a submission, without dates and without anything of the machine or its user.

    Parameters
    ----------
    challenge : str
        Which one.
    config : mapping
        The whole configuration as it was in effect, of what JSON can hold and paths.
    code : str or mapping of str to str
        The code's hash, of `microtome.planning.code_hash`; of several scripts by name.
    files : mapping of str to str or Path, or sequence of str or Path
        What went into it: weights, forests, slide sheet; by name, or else by path, with a number
        behind it where absolute ones end alike.
    archive : str or Path
        The submission.
    cases : mapping, optional
        What it holds, as `microtome.submission.checks` wants it.
    packages : sequence of str
        Names of installed packages.

    Returns
    -------
    dict
        ``challenge``; ``microtome`` and ``python``, their versions; ``code``; ``packages``, name ->
        version, None where it is not installed; ``files``, name -> ``path`` and ``sha256``;
        ``archive``, ``path`` and ``sha256``; ``cases``, where given; ``config``. For JSON; keys are
        sorted in all but the outermost. Of an absolute path there is its last part only.

    Raises
    ------
    InputError
        A file is missing.
    """
    return {
        "challenge": challenge,
        "microtome": __version__,
        "python": platform.python_version(),
        "code": _portable(code),
        "packages": {name: _version(name) for name in sorted(packages)},
        "files": {name: _file(path) for name, path in sorted(_named(files).items())},
        "archive": _file(archive),
        **({} if cases is None else {"cases": _portable(cases)}),
        "config": _portable(config),
    }


def differences(first: Mapping, second: Mapping) -> list[str]:
    """Say in what two records of `provenance` differ.

    Parameters
    ----------
    first, second : mapping
        As `provenance` made them, or as read from JSON.

    Returns
    -------
    list of str
        One line each, sorted: where, and both values as JSON. 1 and 1.0 differ.
    """
    one, other = dict(_leaves(first, "")), dict(_leaves(second, ""))
    lines = []
    for key in sorted(one.keys() | other.keys()):
        values = [_text(leaves.get(key, _ABSENT)) for leaves in (one, other)]
        if values[0] != values[1]:
            lines.append(one_line(f"{key}: {values[0]}, and {values[1]}"))
    return lines


def _named(files: Mapping | Sequence) -> dict[str, str | Path]:
    if isinstance(files, Mapping):
        return dict(files)
    named: dict[str, str | Path] = {}
    for path in files:
        name = key = _portable(str(path))
        for n in count(2):
            if str(named.setdefault(key, path)) == str(path):
                break
            key = f"{name} ({n})"
    return named


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _file(path: str | Path) -> dict[str, str]:
    try:
        with Path(path).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except (FileNotFoundError, IsADirectoryError):
        raise InputError(f"{path}: is no file; a submission cannot be traced to it") from None
    return {"path": _portable(str(path)), "sha256": digest}


def _portable(value: object) -> object:
    """Sort keys, and take from absolute paths whatever tells of the machine."""
    if isinstance(value, Mapping):
        items = {str(key): content for key, content in value.items()}
        return {_portable(key): _portable(items[key]) for key in sorted(items)}
    if isinstance(value, list | tuple):
        return [_portable(item) for item in value]
    if isinstance(value, Path):
        return _portable(str(value))
    if isinstance(value, str) and _is_absolute(value):
        # As of Windows, which takes both kinds of slash.
        return PureWindowsPath(value).name
    return value


def _is_absolute(text: str) -> bool:
    """Whether text is a path that begins at a root, a drive or a home."""
    kinds = (PurePosixPath, PureWindowsPath)
    return text.startswith("~") or any(kind(text).is_absolute() for kind in kinds)


def _leaves(value: object, key: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping) and (value or not key):
        for name, content in value.items():
            yield from _leaves(content, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list | tuple) and value:
        for i, content in enumerate(value):
            yield from _leaves(content, f"{key}[{i}]")
    else:
        yield key, value


def _text(value: object) -> str:
    return "nothing" if value is _ABSENT else json.dumps(value, ensure_ascii=False)
