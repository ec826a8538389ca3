"""A model given as OWNER/NAME[:QUANT]: a repository's list of files, asked once and then remembered.

The list pins revision, sizes and hashes; remembered, a later start needs no network and meets no newer files.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import httpx2
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

from qwen_vl_app.catalogue import DEFAULT_MMPROJ, DEFAULT_QUANT, QWEN_BUDGET, File, Model, quant_name
from qwen_vl_app.weights import hubs
from qwen_vl_app.weights.failures import NoListing

NAME = re.compile(r"(?P<repo>[\w-][\w.-]*/[\w-][\w.-]*)(:(?P<quant>[\w.-]+))?")
QUANT = re.compile(r"(?i)[-._]((?:UD-)?(?:I?Q\d\w*|BF16|F16|F32|FP16|MXFP4\w*))\.gguf$")
LISTING = ".listing.json"
SECONDS = 15.0  # for the list


def from_repository(
    name: str, quant: str, mmproj: str, models_dir: Path, hub: str, environ: Mapping[str, str]
) -> Model:
    """The model that `name` (OWNER/NAME[:QUANT]) means; its `cell_bytes` is 0 until its file is here.

    Raises:
        NoListing: the repository cannot be listed, or has no such files; the message lists those it has.
        SetupError: `hub` is not a hub.
    """
    match = NAME.fullmatch(name)
    assert match, name
    repo, quant = match["repo"], match["quant"] or quant or DEFAULT_QUANT
    folder = repo.replace("/", "--")
    kept = models_dir / folder / LISTING
    revision, files = _kept(kept) or _listed(repo, kept, hub, environ)
    return Model(
        name=name,
        title=repo.partition("/")[2],
        folder=folder,
        model=_choose(repo, "quant", [file for file in files if not _is_projector(file)], quant),
        mmproj=_choose(repo, "mmproj", [file for file in files if _is_projector(file)], mmproj or DEFAULT_MMPROJ),
        budget=QWEN_BUDGET,
        layers=0,
        cell_bytes=0,
        repo=repo,
        revision=revision,
    )


def _is_projector(file: File) -> bool:
    return "mmproj" in file.name.lower()  # a list has names only


def _choose(repo: str, option: str, files: list[File], wanted: str) -> File:
    for file in files:
        if file.quant == quant_name(wanted):
            return file
    known = ", ".join(file.quant for file in files if file.quant) or "-"
    raise NoListing(repo=repo, why=f"--{option} {wanted}", known=f"{option}: {known}")


def _kept(path: Path) -> tuple[str, list[File]] | None:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return str(kept["revision"]), [File(**file) for file in kept["files"]]
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _listed(repo: str, kept: Path, hub: str, environ: Mapping[str, str]) -> tuple[str, list[File]]:
    reasons = []
    for place in hubs.chosen(hub, environ):
        if not place.pinned:
            continue
        try:
            revision, files = _ask(place, repo)
        except (HfHubHTTPError, httpx2.HTTPError, OfflineModeIsEnabled) as error:
            reasons.append(f"{place.host}: {_short(error)}")
            continue
        _keep(kept, revision, files)
        return revision, files
    raise NoListing(repo=repo, why="; ".join(reasons), known="--hub auto")


def _ask(hub: hubs.Hub, repo: str) -> tuple[str, list[File]]:
    api = HfApi(endpoint=hub.endpoint, token=hub.token or False)
    info = api.model_info(repo, files_metadata=True, timeout=SECONDS)
    files = []
    for sibling in info.siblings or []:
        quant = QUANT.search(sibling.rfilename)
        if sibling.rfilename.endswith(".gguf") and "/" not in sibling.rfilename:
            sha256 = sibling.lfs.sha256 if sibling.lfs else ""
            files.append(File(sibling.rfilename, sibling.size or 0, sha256, quant[1].upper() if quant else ""))
    return info.sha or "main", files


def _short(error: Exception) -> str:
    response = getattr(error, "response", None)
    return f"HTTP {response.status_code}" if response is not None else type(error).__name__


def _keep(path: Path, revision: str, files: list[File]) -> None:
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps({"revision": revision, "files": [asdict(file) for file in files]}), encoding="utf-8")
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)  # asked again next time; the download will say what is wrong with the folder
