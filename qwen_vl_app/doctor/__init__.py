"""`app.py doctor`: is everything here that the program needs, and if not, what to do."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TextIO

from qwen_vl_app.doctor import files, machine
from qwen_vl_app.doctor.finding import MARKS, Finding
from qwen_vl_app.errors import SetupError
from qwen_vl_app.install.texts import language
from qwen_vl_app.planning import model_for, usable_cores
from qwen_vl_app.settings import Settings


def run(settings: Settings, as_json: bool, environ: Mapping[str, str] = os.environ, out: TextIO | None = None) -> int:
    """Look at everything and print it to `out`, line by line or as one JSON document; 1 if anything must be done."""
    out = out or sys.stdout
    chosen = language(environ)
    failed, listed = False, []
    for finding in look(settings, environ, out.encoding or "utf-8"):
        failed = failed or finding.level == "fail"
        listed.append(finding.as_json(chosen))
        if not as_json:
            print(_printable(finding.line(chosen), out), file=out, flush=True)
    if as_json:
        print(json.dumps({"ok": not failed, "checks": listed}, ensure_ascii=True, indent=1), file=out)
    return 1 if failed else 0


def look(settings: Settings, environ: Mapping[str, str], encoding: str) -> Iterator[Finding]:
    """One finding after the other, as soon as it is known."""
    yield machine.python()
    build = machine.build()
    is_built = build.level == "ok"
    yield build
    yield machine.prove(is_built)
    yield machine.processor(usable_cores())
    yield from machine.gpu(is_built, settings)
    yield machine.port(settings.host, settings.port)
    yield machine.locale(environ, language(environ), encoding)
    yield from _model(settings, environ)


def _model(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    models_dir = Path(settings.models_dir)
    try:
        model = model_for(settings)
    except SetupError as error:
        yield Finding("model", "fail", "no_model", "name", {"why": error})
        return
    findings, missing = files.model(model, models_dir)
    yield from findings
    yield files.disk(missing, models_dir)
    yield from files.hub(model, missing, settings, environ)


def _printable(line: str, out: TextIO) -> str:
    """The line as `out` can show it: plain letters for the marks where it has no others."""
    encoding = out.encoding or "utf-8"
    try:
        line.encode(encoding)
    except UnicodeEncodeError:
        for level, mark in MARKS.items():
            line = line.replace(mark, f"[{level}]", 1) if line.startswith(mark) else line
        return line.replace("→", "->").encode(encoding, "replace").decode(encoding)
    return line
