"""Processes that tests start find these plugins, installed or not."""

import os
import signal
from pathlib import Path

from hypothesis import settings

PLUGINS = Path(__file__).resolve().parents[2]
os.environ["PYTHONPATH"] = os.pathsep.join(
    [*map(str, sorted(PLUGINS.iterdir())), *filter(None, [os.environ.get("PYTHONPATH")])]
)
# A shell makes what it starts in the background deaf to Ctrl-C, and so its children.
signal.signal(signal.SIGINT, signal.default_int_handler)
settings.register_profile("of the plugins", deadline=None)
settings.load_profile("of the plugins")
