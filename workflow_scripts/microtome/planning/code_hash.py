"""What a script would do, as a hash: the script and every library file it imports.

Snakemake sees only a script's date. A rule that has this hash among its parameters reruns when the
code behind it changes, and not when a checkout gives every file a new date.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

_PACKAGE = "microtome"


def code_hash(script: str | Path, *, root: str | Path) -> str:
    """Hash a script and the library files it imports, directly or through others.

    Only ``from microtome.x import y`` is followed, the sole form in which the library is imported.
    Comments, docstrings and layout do not count.

    Parameters
    ----------
    script : str or Path
        A script below `root`.
    root : str or Path
        The folder that holds the package ``microtome``. Files count by their path from there.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    script, root = Path(script).resolve(), Path(root).resolve()
    files = sorted({script, *_imported(script, root)})
    text = "\n".join(f"{path.relative_to(root).as_posix()} {_parsed(path)[0]}" for path in files)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _imported(path: Path, root: Path) -> set[Path]:
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        for module in _parsed(waiting.pop())[1]:
            file = root.joinpath(*module.split(".")).with_suffix(".py")
            if file not in found:
                found.add(file)
                waiting.append(file)
    return found


@cache
def _parsed(path: Path) -> tuple[str, tuple[str, ...]]:
    """A file's meaning as text, and the library modules it imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
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
