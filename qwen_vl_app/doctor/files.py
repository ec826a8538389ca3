"""The doctor's look at the model: its files and hashes, the room for them, the hubs that have them."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from qwen_vl_app.catalogue import File, Model
from qwen_vl_app.doctor.finding import Finding
from qwen_vl_app.errors import SetupError
from qwen_vl_app.settings import Settings
from qwen_vl_app.weights import hubs, local
from qwen_vl_app.weights.failures import gb, place
from qwen_vl_app.weights.limits import Limits
from qwen_vl_app.weights.survey import reach

PATIENCE = 8.0  # seconds for all hubs


def model(chosen: Model, models_dir: Path) -> tuple[list[Finding], list[File]]:
    """How the two files of the model are, and those that are not here; unknown ones are hashed, which takes a while."""
    findings, missing = [], []
    for file in (chosen.model, chosen.mmproj):
        path, wrong = local.find(chosen, file, models_dir, lambda path, done: True)
        findings += [Finding("model", "note", "wrong", "aside", {"path": place(each)}) for each in wrong if not path]
        if path:
            known = "model" if file.sha256 else "unchecked"
            findings.append(
                Finding("model", "ok", known, details={"file": place(path), "size": gb(path.stat().st_size)})
            )
        else:
            missing.append(file)
            findings.append(_missing(chosen, file, models_dir))
    return findings, missing


def _missing(chosen: Model, file: File, models_dir: Path) -> Finding:
    details = {"file": file.name, "size": gb(file.size) if file.size else "?", "folder": place(models_dir)}
    if chosen.repo:
        return Finding("model", "note", "missing", "fetch", details)
    return Finding("model", "fail", "missing", "place", details | {"folder": place(models_dir / chosen.folder)})


def disk(missing: list[File], models_dir: Path) -> Finding:
    """Whether the missing files fit."""
    folder = models_dir
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    need = sum(file.size for file in missing) + Limits().spare if missing else 0
    good = free >= need
    details = {"free": gb(free), "need": gb(need), "folder": place(folder)}
    return Finding("disk", "ok" if good else "fail", "disk", "" if good else "room", details)


def hub(chosen: Model, missing: list[File], settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    """How fast each hub is, or what is wrong with it; that no hub answers is a failure only if files are missing."""
    if not chosen.repo:
        return [Finding("hub", "note", "local")]
    if hubs.offline(environ):
        return [Finding("hub", "fail" if missing else "note", "offline")]
    limits = replace(Limits(), probe_seconds=PATIENCE, probe_patience=PATIENCE, connect_seconds=PATIENCE)
    try:
        offers, troubles = reach(hubs.chosen(settings.hub, environ), chosen, limits)
    except SetupError as error:
        return [Finding("hub", "fail", "trouble", details={"why": error})]
    findings = [_speed(offer.hub, offer.bytes_per_second) for offer in offers]
    is_fatal = bool(missing) and not offers
    folder = place(Path(settings.models_dir) / chosen.folder)
    for trouble in troubles.values():
        advice = "other_hub" if is_fatal else ""
        level = "fail" if is_fatal else "note"
        findings.append(Finding("hub", level, "trouble", advice, {"why": trouble, "folder": folder}))  # type: ignore[arg-type]
    return findings


def _speed(hub: hubs.Hub, bytes_per_second: float) -> Finding:
    return Finding("hub", "ok", "hub", details={"host": hub.host, "speed": gb(int(bytes_per_second))})
