"""bench/ is a program beside the package, not part of it: it is found from the repository's root."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
