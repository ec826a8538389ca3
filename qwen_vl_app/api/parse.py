"""From the bytes of a body to a checked `ChatBody`; every refusal names the field."""

import json
from collections.abc import Iterable
from typing import Any, NoReturn

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from qwen_vl_app.api.schema import ChatBody
from qwen_vl_app.errors import BadRequest, InvalidField

MAX_VALUES = 200_000  # in one body: parsed JSON takes up to 60 times its bytes
MAX_NAMES = 1000  # in one object: pydantic describes each that is wrong
MAX_DEPTH = 64  # levels
MAX_FIELD = 100  # characters of a field's name in a message
WHY = {
    "missing": "is required",
    "string_type": "must be a string",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "literal_error": "must be {expected}",
    "union_tag_invalid": "must be one of {expected_tags}",
    "union_tag_not_found": "is required",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "too_short": "must have at least {min_length} item",
    "too_long": "must have at most {max_length} items",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must be the number of a token",
}
TAG_ERRORS = ("union_tag_invalid", "union_tag_not_found")


def parse(raw: bytes) -> ChatBody:
    """The request in a body.

    Raises:
        InvalidField: a field is missing, of the wrong type or out of range; named in the message.
        BadRequest: it is not a JSON object, or has too many values.
    """
    if sum(raw.count(sign) for sign in (b",", b"[", b"{")) > MAX_VALUES:
        raise BadRequest(why=f"it has more than {MAX_VALUES} values")
    try:
        value = _clean(json.loads(raw, parse_constant=_refuse_constant))
    except (ValueError, RecursionError):
        raise BadRequest(why="the body is not JSON") from None
    if not isinstance(value, dict):
        raise BadRequest(why="the body is not a JSON object")
    try:
        return ChatBody.model_validate(value)
    except ValidationError as error:
        raise _refusal(value, error.errors(include_url=False)) from None


def _refuse_constant(name: str) -> NoReturn:
    raise BadRequest(why=f"{name} is not JSON")


def _clean(value: Any, depth: int = 0) -> Any:
    """The value with lone halves of surrogate pairs replaced: they cannot be written as UTF-8."""
    if depth > MAX_DEPTH:
        raise BadRequest(why=f"it is nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_clean(item, depth + 1) for item in value]
    if isinstance(value, dict):
        if len(value) > MAX_NAMES:
            raise BadRequest(why=f"an object in it has more than {MAX_NAMES} names")
        return {_clean(name): _clean(item, depth + 1) for name, item in value.items()}
    return value


def _refusal(body: dict[str, Any], errors: list[ErrorDetails]) -> InvalidField:
    """The refusal for what is wrong deepest inside: where a value may have several forms, the form that was meant."""
    paths = [_path(body, error) for error in errors]
    deepest = max(paths, key=len)
    whys = [_why(error) for path, error in zip(paths, errors, strict=True) if path == deepest]
    first, *others = dict.fromkeys(whys)
    return InvalidField(
        field=_name(deepest), why=" or ".join([first, *(why.removeprefix("must be ") for why in others)])
    )


def _path(body: object, error: ErrorDetails) -> tuple[str | int, ...]:
    """Where the error is in the body: pydantic's location without the names of its own union members."""
    path: list[str | int] = []
    value: Any = body
    for step in error["loc"]:
        if (isinstance(value, dict) and step in value) or (isinstance(value, list) and isinstance(step, int)):
            value = value[step]  # type: ignore[index]
            path.append(step)
    if error["type"] == "missing":
        path.append(error["loc"][-1])
    elif error["type"] in TAG_ERRORS:
        path.append("type")
    return tuple(path)


def _name(path: Iterable[str | int]) -> str:
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(steps).removeprefix(".")[:MAX_FIELD]


def _why(error: ErrorDetails) -> str:
    return WHY.get(error["type"], "is not valid").format(**error.get("ctx", {}))
