"""What a script would do, as a hash: the script and every library file it imports.

Snakemake sees only a script's date. A rule that has this hash among its parameters reruns when the
code behind it changes, and not when a checkout gives every file a new date.
"""

import ast
import hashlib
from collections.abc import Collection
from functools import cache
from pathlib import Path

_PACKAGE = "microtome"
# The registry knows the networks of all kinds; to a model its own kind is all that matters.
_REGISTRY = f"{_PACKAGE}/networks/registry.py"
_NETWORKS = {
    "histocae": "histocae",
    "mr_histocae": "mr_histocae",
    "classifier": "classifiers",
    "segmenter": "segmenters",
    "colour": "colour",
    "crosswise": "crosswise",
    "nucleus_detector": "nucleus_networks",
    "nucleus_classifier": "nucleus_networks",
    "nucleus_segmenter": "nucleus_networks",
}


def code_hash(script: str | Path, *, root: str | Path, kinds: Collection[str] | None = None) -> str:
    """Hash a script and the library files it imports, directly or through others.

    Only ``from microtome.x import y`` is followed, the sole form in which the library is imported.
    Comments, docstrings and layout do not count.

    Parameters
    ----------
    script : str or Path
        A script below `root`.
    root : str or Path
        The folder that holds the package ``microtome``. Files count by their path from there.
    kinds : collection of str, optional
        Kinds of models that the script will meet: networks of other kinds do not count, unless
        something other than the registry imports them.

    Returns
    -------
    str
        16 hexadecimal digits.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     for name, text in (("a.py", "x = 1"), ("b.py", "x = 1  # the same"), ("c.py", "x = 2")):
    ...         _ = (Path(folder) / name).write_text(text)
    ...     hashes = [code_hash(f"{folder}/{name}.py", root=folder) for name in "abc"]
    >>> [len(one) for one in hashes], len({*hashes})
    ([16, 16, 16], 3)
    """
    script, root = Path(script).resolve(), Path(root).resolve()
    own = {_NETWORKS[kind] for kind in (_NETWORKS if kinds is None else kinds)}
    skipped = {f"{_PACKAGE}.networks.{name}" for name in {*_NETWORKS.values()} - own}
    files = sorted({script, *_imported(script, root, skipped)})
    text = "\n".join(f"{path.relative_to(root).as_posix()} {_parsed(path)[0]}" for path in files)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def code_hash_of_all(folder: str | Path, *, root: str | Path) -> str:
    """Hash every script in the rooms of a folder, and the library files behind them."""
    hashes = [code_hash(path, root=root) for path in sorted(Path(folder).glob("*/*.py"))]
    return hashlib.sha256("".join(hashes).encode()).hexdigest()[:16]


def _imported(script: Path, root: Path, skipped: Collection[str]) -> set[Path]:
    """Library files behind a script; `skipped` are modules not to follow from the registry."""
    found: set[Path] = set()
    waiting = [script]
    while waiting:
        path = waiting.pop()
        modules = set(_parsed(path)[1])
        for module in modules - set(skipped) if path == root / _REGISTRY else modules:
            file = root.joinpath(*module.split(".")).with_suffix(".py")
            if file not in found:
                found.add(file)
                waiting.append(file)
    return found


@cache
def _parsed(path: Path) -> tuple[str, tuple[str, ...]]:
    """A file's meaning as text, and the library modules it imports."""
    return _meaning(path.read_text(encoding="utf-8"))


@cache
def _meaning(text: str) -> tuple[str, tuple[str, ...]]:
    tree = ast.parse(text)
    modules = []
    for node in ast.walk(tree):
        # Not the package itself: it holds the version, and a new one is no reason to train again.
        if isinstance(node, ast.ImportFrom) and node.module.startswith(f"{_PACKAGE}."):
            modules.append(node.module)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node
        ):
            node.body = node.body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest(), tuple(modules)
