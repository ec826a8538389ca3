"""Start the page: `python app.py --help` lists the settings."""

import sys

from qwen_vl_app.cli import main

if __name__ == "__main__":
    sys.exit(main())
