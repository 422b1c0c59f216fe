"""Runs web and worker together, as `manage.py run` does once tables and front-end files are there.

PORT=8000 python scripts/serve.py
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from config.serve import main

if __name__ == "__main__":
    sys.exit(main())
