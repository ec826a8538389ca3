"""How a person wants to be answered: what they changed of the model's own settings, kept in their browser."""

from dataclasses import dataclass, fields, replace
from typing import Any, get_args

from qwen_vl_app.catalogue import Detail
from qwen_vl_app.chat import Message, Request, Sampling, Text
from qwen_vl_app.errors import InvalidField, SettingOutOfRange

# name → least, most, step; those of the API (api/schema.py)
RANGES: dict[str, tuple[float, float, float]] = {
    "temperature": (0, 2, 0.05),
    "top_p": (0, 1, 0.05),
    "top_k": (0, 100, 1),
    "presence_penalty": (-2, 2, 0.1),
    "max_tokens": (1, 1 << 20, 1),
    "seed": (0, (1 << 32) - 1, 1),
}
WHOLE = ("top_k", "max_tokens", "seed")
SAMPLED = ("temperature", "top_p", "top_k", "presence_penalty", "seed")


@dataclass(frozen=True)
class Wishes:
    """What is None is left to the model and the task."""

    system: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    presence_penalty: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    detail: Detail | None = None

    def sampling(self, own: Sampling) -> Sampling:
        """The sampling to use where `own` is the model's or the task's."""
        changed = {name: getattr(self, name) for name in SAMPLED if getattr(self, name) is not None}
        return replace(own, **changed)

    def on(self, request: Request) -> Request:
        """`request` as it is wanted."""
        system = (Message("system", (Text(self.system),)),) if self.system else ()
        return replace(
            request,
            messages=(*system, *request.messages),
            sampling=self.sampling(request.sampling),
            max_tokens=self.max_tokens or request.max_tokens,
        )


def read(kept: object) -> Wishes:
    """The wishes in what a browser has kept; names that are not known are passed over.

    Raises:
        SettingOutOfRange: a number is none or out of range.
        InvalidField: another value is of the wrong kind.
    """
    given = kept if isinstance(kept, dict) else {}
    names = [field.name for field in fields(Wishes)]
    return Wishes(**{name: _checked(name, given[name]) for name in names if given.get(name) not in (None, "")})


def _checked(name: str, value: object) -> Any:
    if name in RANGES:
        return _number(name, value)
    if not (isinstance(value, str) if name == "system" else value in get_args(Detail)):
        raise InvalidField(field=name, why="has a value that is not known")
    return value


def _number(name: str, value: object) -> float:
    least, most, _ = RANGES[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise SettingOutOfRange(field=name, least=f"{least:g}", most=int(most))
    return int(value) if name in WHOLE else float(value)
