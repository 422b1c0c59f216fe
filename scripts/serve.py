"""Runs the web server and the worker, like `manage.py run` without its updates of tables and static files.

PORT=8000 python scripts/serve.py
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from config.serve import main

if __name__ == "__main__":
    sys.exit(main())
