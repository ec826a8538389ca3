"""What pyproject.toml asks for, readable by Python 3.10 too (which has no tomllib)."""

import ast
import re
import sys
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


def listed(name: str, pyproject: Path = PYPROJECT) -> tuple[str, ...]:
    """The strings of the list `name = [...]`: `dependencies`, or an extra such as `engine` and `dev`."""
    found = re.search(rf"^{re.escape(name)} = (\[.*?\])$", pyproject.read_text(encoding="utf-8"), re.M | re.S)
    if not found:
        raise KeyError(name)
    values = ast.literal_eval(found[1])  # a TOML list of plain strings is one of Python's, comments included
    return tuple(str(value) for value in values)


if __name__ == "__main__":  # tests/run.sh: the requirements of an extra, one a line
    print("\n".join(listed(sys.argv[1])))
