"""Gradio's picture component, kept from decoding anything: it hands over where the upload lies."""

import gradio as gr
from gradio import component_meta, processing_utils
from gradio.data_classes import FileData, ImageData, ListFiles

from qwen_vl_app.errors import RemoteUrlRefused

# Gradio writes a .pyi file beside the source of every component class; an installed program may not.
component_meta.create_or_modify_pyi = lambda *_: None


class Picture(gr.Image):  # type: ignore[misc]  # gradio has no types
    """An image box whose values are paths; Pillow never opens an upload in this process."""

    is_template = True  # the browser shows it as gr.Image

    def preprocess(self, payload: ImageData | None) -> str | None:
        """The path of the uploaded file."""
        return payload.path if payload else None

    def postprocess(self, value: str | None) -> ImageData | None:
        """The file to show, served as it is."""
        return ImageData(path=value) if value else None


class AddButton(gr.UploadButton):  # type: ignore[misc]
    """A button to choose files with, whose value are paths; the files are neither opened nor copied."""

    is_template = True

    def preprocess(self, payload: ListFiles | FileData | None) -> list[str]:
        """The paths of the uploaded files."""
        return paths_in(payload)


class Pictures(gr.File):  # type: ignore[misc]
    """A list of files whose values are paths, as in `AddButton`."""

    is_template = True

    def preprocess(self, payload: ListFiles | FileData | None) -> list[str]:
        """The paths of the uploaded files."""
        return paths_in(payload)


def paths_in(payload: ListFiles | FileData | None) -> list[str]:
    """The paths of what was uploaded."""
    if payload is None:
        return []
    return [file.path for file in (payload if isinstance(payload, ListFiles) else [payload])]


async def _refuse(*_: object, **__: object) -> str:
    raise gr.Error(RemoteUrlRefused().text("en"), print_exception=False)


def fetch_nothing() -> None:
    """Keep Gradio from downloading: it would fetch any address that a request gives as the path of a file."""
    processing_utils.async_ssrf_protected_download = _refuse
