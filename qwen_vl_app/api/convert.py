"""From a checked `ChatBody` to the `chat.Request` that the engine answers."""

import base64
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, fields, replace

from qwen_vl_app.api.schema import ChatBody, ChatMessage, ImagePart, SchemaFormat, TextPart
from qwen_vl_app.catalogue import Detail
from qwen_vl_app.chat import Image, Message, Part, Request, Role, Sampling, Text
from qwen_vl_app.errors import BadRequest, ContextOverflow, InvalidField, Language, RemoteUrlRefused
from qwen_vl_app.host import Host
from qwen_vl_app.media import Picture
from qwen_vl_app.reading import may_be_long
from qwen_vl_app.tasks import ASK, TASKS, Task, Whole, exports, found, in_pixels
from qwen_vl_app.tasks import fields as fields_in

LONGEST_TOKEN = 128  # characters; cl100k's, from which Qwen's vocabulary grew, is 128 spaces
ANY_OBJECT = '{"type": "object"}'
DATA_URL = re.compile(r"data:image/[\w.+-]+(?:;[\w.+-]+=[^;,]*)*;base64,", re.IGNORECASE)
ADDRESS = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*:|//|\\\\)", re.IGNORECASE)
CHINESE = re.compile("[\u4e00-\u9fff]")
SAMPLING = [option.name for option in fields(Sampling) if option.name in ChatBody.model_fields]


@dataclass(frozen=True)
class Converted:
    """A request for the engine, the task it is for, its pictures as they were opened; `pieces` of a long one."""

    request: Request
    task: Task
    pictures: tuple[Picture, ...]
    pieces: tuple[Picture, ...] = ()

    def findings(self, answer: str) -> dict[str, object]:
        """What the task reads from its answer: `places` in px of the last picture's original, or `fields`."""
        if self.task.kind == "fields":
            return {"fields": fields_in(answer)}
        if self.task.kind != "places" or not self.pictures:
            return {}
        seen = self.pictures[-1]
        whole = Whole(seen.original_width, seen.original_height)
        places = exports.as_items(in_pixels(found(answer).places, whole if len(self.pieces) > 1 else seen))
        return {"places": places, "width": seen.original_width, "height": seen.original_height}


async def to_request(body: ChatBody, host: Host, owner: str) -> Converted:
    """The request that `body` means, its pictures opened and fitted for the model of `host`.

    Raises:
        BadRequest: the order of the turns is wrong, or a picture cannot be used; the field is named.
    """
    _check_turns(body.messages)
    _check_pictures(body.messages)
    _check_size(body.messages, host)
    among = sum(isinstance(part, ImagePart) for message in body.messages for part in _parts(message))

    task = TASKS[body.task or ASK.name]

    opened: list[Picture] = []

    async def picture(url: str, field: str) -> Image:
        opened.append(await _picture(url, field, host, owner, among, task.detail))
        return opened[-1].image

    messages = [await _message(message, i, picture) for i, message in enumerate(body.messages)]
    given, language = _given(messages[-1])
    if body.task:
        messages[-1] = _asked(messages[-1], task.question(language, given))
    request = replace(
        host.request(tuple(messages), owner),
        sampling=sampling(body, task.sampling(host.model.sampling)),
        max_tokens=body.max_completion_tokens or body.max_tokens,
        stop=_stop(body),
        logit_bias=tuple((int(token), bias) for token, bias in (body.logit_bias or {}).items()),
        json_schema=_schema(body) or (task.schema(language, given) if body.task else None),
    )
    pieces = await _pieces(body, host, opened, task, task.question(language, given)) if body.task else ()
    return Converted(request, task, tuple(opened), pieces)


async def _pieces(body: ChatBody, host: Host, opened: list[Picture], task: Task, question: str) -> tuple[Picture, ...]:
    """The pieces of a long picture that is to be read; none else."""
    if not may_be_long(opened, task, question):
        return ()
    parts = (part for message in body.messages for part in _parts(message))
    [url] = [part.image_url.url for part in parts if isinstance(part, ImagePart)]
    return await host.pieces(_decoded(url, "messages"), "messages", task.detail)


def _given(message: Message) -> tuple[str, Language]:
    """The words of a turn, and their language."""
    words = "\n".join(part.text for part in message.parts if isinstance(part, Text)).strip()
    return words, "zh" if CHINESE.search(words) else "en"


def _asked(message: Message, question: str) -> Message:
    """The turn with its pictures and `question` in place of its words."""
    pictures = tuple(part for part in message.parts if not isinstance(part, Text))
    return replace(message, parts=(*pictures, Text(question)))


def sampling(body: ChatBody, own: Sampling) -> Sampling:
    """The sampling asked for; what was left out is the model's own."""
    given = {name: value for name in SAMPLING if (value := getattr(body, name)) is not None}
    if body.repetition_penalty is not None:
        given.setdefault("repeat_penalty", body.repetition_penalty)
    return replace(own, **given)


def _stop(body: ChatBody) -> tuple[str, ...]:
    return (body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ())


def _schema(body: ChatBody) -> str | None:
    if body.response_format is None or body.response_format.type == "text":
        return None
    if isinstance(body.response_format, SchemaFormat):
        return json.dumps(body.response_format.json_schema.tree)
    return ANY_OBJECT


def _check_turns(messages: list[ChatMessage]) -> None:
    """Models' templates know a system message at the beginning only, and answer a user."""
    for i, message in enumerate(messages):
        if i and message.role in ("system", "developer"):
            raise InvalidField(field=f"messages[{i}].role", why="can be 'system' in the first message only")
    if messages[-1].role != "user":
        raise InvalidField(field=f"messages[{len(messages) - 1}].role", why="must be 'user' in the last message")


def _check_pictures(messages: list[ChatMessage]) -> None:
    for i, message in enumerate(messages):
        if message.role != "user" and any(isinstance(part, ImagePart) for part in message.content):
            raise InvalidField(field=f"messages[{i}].content", why="can have pictures in user messages only")


def _check_size(messages: list[ChatMessage], host: Host) -> None:
    """Refuse what cannot fit at all before it costs anything: 20 MB of words are tokenised for half a minute."""
    smallest = host.model.budget.min_tokens
    needed = sum(_least_tokens(part, smallest) for message in messages for part in _parts(message))
    if needed > host.ctx_size:
        raise ContextOverflow(needed=needed, limit=host.ctx_size)


def _parts(message: ChatMessage) -> list[TextPart | ImagePart]:
    if isinstance(message.content, str):
        return [TextPart(type="text", text=message.content)]
    return message.content


def _least_tokens(part: TextPart | ImagePart, picture: int) -> int:
    return picture if isinstance(part, ImagePart) else len(part.text) // LONGEST_TOKEN


async def _message(message: ChatMessage, number: int, picture: Callable[[str, str], Awaitable[Image]]) -> Message:
    role: Role = "system" if message.role == "developer" else message.role
    parts: list[Part] = []
    for i, part in enumerate(_parts(message)):
        if isinstance(part, ImagePart):
            parts.append(await picture(part.image_url.url, f"messages[{number}].content[{i}].image_url.url"))
        else:
            parts.append(Text(part.text))
    return Message(role, tuple(parts))


async def _picture(url: str, field: str, host: Host, owner: str, among: int, detail: Detail) -> Picture:
    try:
        return await host.picture(_decoded(url, field), field, owner, among, detail)
    except BadRequest as error:
        error.details["field"] = field
        raise


def _decoded(url: str, field: str) -> bytes:
    """The bytes in a data: URL, or in base64 alone; anything else is refused, nothing is ever fetched."""
    head = DATA_URL.match(url)
    if head is None and url[:5].lower() == "data:":
        raise InvalidField(field=field, why="must begin with data:image/…;base64, when it is a data: URL")
    if head is None and ADDRESS.match(url):
        raise RemoteUrlRefused()
    data = url[head.end() if head else 0 :]
    try:
        return base64.b64decode(data + "=" * (-len(data) % 4), validate=True)
    except ValueError:
        raise InvalidField(field=field, why="is not base64") from None
