"""One virtual environment a peer, with fixed versions, made once and kept in .cache/."""

import shutil
import subprocess
import sys
from pathlib import Path

from slides import CACHE

# What each peer is installed with. Newer versions are other measurements.
REQUIREMENTS = {
    "openslide": "openslide-python==1.4.7 openslide-bin==4.0.1.2 pillow==13.0.0 numpy==2.4.6",
    "tiffslide": "tiffslide==3.0.1 imagecodecs==2026.3.6",
    "pyvips": "pyvips==3.2.0 pyvips-binary==8.18.7 numpy==2.4.6",
    "cucim": "cucim-cu12==26.10.0 pillow==13.0.0",
    "tiatoolbox": "tiatoolbox==2.1.3",
    "monai": (
        "monai==1.6.1 torch==2.13.0 openslide-python==1.4.7 openslide-bin==4.0.1.2"
        " cucim-cu12==26.10.0 zarr==3.1.6"
    ),
    # With Zarr 3 it does not start.
    "wsinfer": (
        "wsinfer==0.6.1 torch==2.13.0 openslide-python==1.4.7 openslide-bin==4.0.1.2"
        " zarr==2.18.7 numcodecs==0.15.1"
    ),
    "histolab": "histolab==0.7.0 openslide-bin==4.0.1.2",
    # What detection of nuclei imports, named one by one: other dependencies need GDAL's headers.
    "histomicstk": (
        "--no-deps histomicstk==1.4.0 girder-slicer-cli-web==5.0.21 ctk-cli==1.5"
        " large-image==1.30.6 cachetools==8.0.2 palettable==3.3.3 cloudpickle==3.1.3"
        " imageio==2.38.1 joblib==1.6.0 lazy-loader==0.6 networkx==3.6.1 numpy==1.26.4"
        " packaging==26.4 pandas==2.2.3 pillow==13.0.0 python-dateutil==4.0.0 pytz==2026.6"
        " scikit-image==0.24.0 scikit-learn==1.5.2 scipy==1.14.1 shapely==2.2.0"
        " threadpoolctl==3.8.0 tifffile==2026.3.3 typing-extensions==4.16.0 tzdata==2026.6"
    ),
    "lazyslide": "lazyslide==0.13.0 torch==2.13.0 openslide-bin==4.0.1.2",
}

# Looked for and not there: what the package registry has under these names is something else.
UNAVAILABLE = {
    "TRIDENT": "not on the package registry: `trident` there simulates spectra for astrophysics,"
    " and `trident-test`, its authors' trial, lacks the package its own modules import",
    "CLAM": "not on the package registry: `clam` there turns command lines into web services",
}


class NotInstallableError(Exception):
    """A peer's environment cannot be made; the message says why."""


def python_of(name: str) -> Path:
    """The interpreter of a peer's environment, which is made if it is missing or has changed.

    Raises
    ------
    NotInstallableError
        If pip cannot install it.
    """
    folder = CACHE / "envs" / name
    python, made_of = folder / "bin" / "python", folder / "requirements.txt"
    if made_of.exists() and made_of.read_text() == REQUIREMENTS[name]:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    log = CACHE / "envs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)  # noqa: S603
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    with log.open("w") as file:
        done = subprocess.run(  # noqa: S603
            [*install, *REQUIREMENTS[name].split()], check=False, stdout=file, stderr=file
        )
    if done.returncode:
        errors = [line for line in log.read_text().splitlines() if line.startswith("ERROR")]
        raise NotInstallableError(errors[-1] if errors else f"pip ends with {done.returncode}")
    made_of.write_text(REQUIREMENTS[name])
    return python
