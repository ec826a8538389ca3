"""Where CUDA's runtime lies that was installed beside a ready build, which does not bundle it."""

import os
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "LD_LIBRARY_PATH"


def for_children(environ: Mapping[str, str], prefix: Path) -> dict[str, str]:
    """What to add to the environment of a process that loads llama.cpp from the Python at `prefix`.

    The dynamic linker reads it when a process begins, so it is of no use to the running one.
    """
    folders = sorted(str(folder) for folder in prefix.glob("lib/python*/site-packages/nvidia/*/lib"))
    own = [folder for folder in environ.get(VARIABLE, "").split(os.pathsep) if folder and folder not in folders]
    return {VARIABLE: os.pathsep.join([*folders, *own])} if folders else {}
