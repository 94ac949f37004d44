"""Importing this makes `microtome` importable, and what the peers' scripts share."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "workflow_scripts"), str(ROOT / "bench" / "peers")]
