"""Python imports this at its start: processes that a test spawns need the stand-ins, too."""

import os
import warnings
from pathlib import Path

if "KERAS_SOURCES" in os.environ:
    import stand_ins

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # of the sources
        stand_ins.install(Path(os.environ["KERAS_SOURCES"]))
