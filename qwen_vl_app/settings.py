"""What a person can set: one table gives the flag, the environment variable, the help and the default.

A flag wins over the environment, the environment over the default. Read once, then passed as values.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from qwen_vl_app.errors import SetupError

PREFIX = "QWEN_VL_"
ROOT = Path(__file__).resolve().parent.parent


def _option(default: object, help: str, metavar: str, low: int | None = None, high: int | None = None) -> Any:
    return field(default=default, metadata={"help": help, "metavar": metavar, "low": low, "high": high})


@dataclass(frozen=True)
class Settings:
    """The program's settings; every field is `--name` and `QWEN_VL_NAME`."""

    model: str = _option("demo", "which model answers: 8b, 4b, 2b or demo", "NAME")
    host: str = _option("127.0.0.1", "address to listen on; 0.0.0.0 for every network", "ADDRESS")
    port: int = _option(7860, "port to listen on; a busy one is an error", "PORT", 1, 65535)
    gpu_layers: int = _option(-1, "layers on the GPU; -1 for all, 0 for none", "N", -1)
    ctx_size: int = _option(8192, "tokens that one conversation may use", "TOKENS", 512)
    parallel: int = _option(4, "answers written at the same time", "N", 1, 32)
    max_short_side: int = _option(768, "pictures are reduced to this short side", "PIXELS", 32, 4096)
    max_upload: int = _option(64, "largest request body", "MB", 1)
    queue_size: int = _option(64, "questions that may wait; more are told to come back", "N", 1)
    models_dir: str = _option(str(ROOT / "models"), "folder of the model files", "FOLDER")
    auth: str = _option("", "user:password asked for in front of everything but /health", "USER:PASSWORD")
    api_key: str = _option("", "key asked for below /v1, as Bearer or X-Api-Key", "KEY")


def options() -> tuple[Field[Any], ...]:
    """The fields of `Settings`, in the order of the help."""
    return fields(Settings)


def flag(option: Field[Any]) -> str:
    """The option's flag, e.g. `--gpu-layers`."""
    return "--" + option.name.replace("_", "-")


def variable(option: Field[Any]) -> str:
    """The option's environment variable, e.g. `QWEN_VL_GPU_LAYERS`."""
    return PREFIX + option.name.upper()


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give `parser` a flag for every setting."""
    for option in options():
        meta = option.metadata
        shown = "" if option.default == "" else f" (default: {_shown(option)})"
        parser.add_argument(flag(option), metavar=meta["metavar"], help=f"{meta['help']}{shown}  [{variable(option)}]")


def _shown(option: Field[Any]) -> object:
    return "models" if option.name == "models_dir" else option.default


def as_arguments(settings: Settings) -> list[str]:
    """The flags that give these settings again, for another process."""
    return [word for option in options() for word in (flag(option), str(getattr(settings, option.name)))]


def load(arguments: argparse.Namespace, environ: Mapping[str, str]) -> Settings:
    """Settings from parsed flags and the environment.

    Raises:
        SetupError: a value is not a whole number or out of range; the message names where it was set.
    """
    values: dict[str, Any] = {}
    for option in options():
        given = getattr(arguments, option.name, None)
        if given is not None:
            values[option.name] = _parse(option, given, flag(option))
        elif environ.get(variable(option)):
            values[option.name] = _parse(option, environ[variable(option)], variable(option))
    return Settings(**values)


def parse(argv: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """Settings from a list of flags and the environment; see `load`."""
    parser = argparse.ArgumentParser()
    add_options(parser)
    return load(parser.parse_args(argv), environ)


def _parse(option: Field[Any], value: str, source: str) -> object:
    if not isinstance(option.default, int):
        return value
    low, high = option.metadata["low"], option.metadata["high"]
    try:
        number = int(value)
    except ValueError:
        raise SetupError(f"{source}: '{value}' is not a whole number") from None
    if (low is not None and number < low) or (high is not None and number > high):
        limits = f"from {low} to {high}" if high is not None else f"at least {low}"
        raise SetupError(f"{source}: {number} is out of range; it must be {limits}")
    return number
