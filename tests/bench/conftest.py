"""bench/ is not part of the package: it is imported from the repository's root."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
