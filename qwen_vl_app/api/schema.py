"""What `/v1` takes and gives, as pydantic models: the OpenAPI description and the checks come from here.

Fields and ranges: OpenAI's API reference for chat completions; top_k, min_p and the two names of the repeat penalty as
llama-server and vLLM have them. A field left out or null means the model's own value; unknown fields are ignored.
"""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from qwen_vl_app.tasks import TASKS

INT32, INT64 = 2**31 - 1, 2**63 - 1
MAX_MESSAGES = 1000
MAX_STOPS = 4  # OpenAI's limit
MAX_STOP = 500  # characters
MAX_BIASES = 1000


def _whole(value: object) -> object:
    """JSON knows one kind of number: 5.0 is a whole one."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class _Input(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


Int: TypeAlias = Annotated[int, BeforeValidator(_whole)]
Stop: TypeAlias = Annotated[str, StringConstraints(max_length=MAX_STOP)]
TokenId: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,9}$")]
Bias: TypeAlias = Annotated[float, Field(ge=-100, le=100)]
Fraction: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Penalty: TypeAlias = Annotated[float, Field(ge=-2, le=2)]
RepeatPenalty: TypeAlias = Annotated[float, Field(gt=0, le=2)]
Length: TypeAlias = Annotated[Int, Field(ge=1)]


class TextPart(_Input):
    """Words."""

    type: Literal["text"]
    text: str


class ImageUrl(_Input):
    """A picture, as `data:image/…;base64,…` or as base64 alone; addresses are not fetched."""

    url: str


class ImagePart(_Input):
    """A picture among the words."""

    type: Literal["image_url"]
    image_url: ImageUrl


Part: TypeAlias = Annotated[TextPart | ImagePart, Field(discriminator="type")]


class ChatMessage(_Input):
    """One turn; system (or developer) only as the first, pictures only from the user."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | Annotated[list[Part], Field(min_length=1, fail_fast=True)]


class StreamOptions(_Input):
    """What a stream carries besides the text."""

    include_usage: bool | None = None


class NamedSchema(_Input):
    """A JSON schema that the answer is held to."""

    name: str | None = None
    tree: dict[str, Any] = Field(alias="schema")


class PlainFormat(_Input):
    """Free text."""

    type: Literal["text"]


class ObjectFormat(_Input):
    """Any JSON object."""

    type: Literal["json_object"]


class SchemaFormat(_Input):
    """JSON that a schema describes."""

    type: Literal["json_schema"]
    json_schema: NamedSchema


ResponseFormat: TypeAlias = Annotated[PlainFormat | ObjectFormat | SchemaFormat, Field(discriminator="type")]


class ChatBody(_Input):
    """The body of a request for an answer."""

    model: str | None = None
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=MAX_MESSAGES, fail_fast=True)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[Int, Field(ge=1, le=1)] | None = None
    max_tokens: Length | None = None
    max_completion_tokens: Length | None = None
    stop: Stop | Annotated[list[Stop], Field(max_length=MAX_STOPS)] | None = None
    seed: Annotated[Int, Field(ge=-INT64 - 1, le=INT64)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Fraction | None = None
    top_k: Annotated[Int, Field(ge=-1, le=INT32)] | None = None
    min_p: Fraction | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    repeat_penalty: RepeatPenalty | None = None
    repetition_penalty: RepeatPenalty | None = None
    logit_bias: Annotated[dict[TokenId, Bias], Field(max_length=MAX_BIASES)] | None = None
    response_format: ResponseFormat | None = None
    task: Literal[tuple(TASKS)] | None = None  # type: ignore[valid-type]


class ErrorDetail(BaseModel):
    """What went wrong; `details` hold the numbers of the message."""

    message: str
    type: str
    param: str | None
    code: str
    details: dict[str, str | int | float]


class ErrorBody(BaseModel):
    """Every answer that is not 200."""

    error: ErrorDetail


class FoundPlace(BaseModel):
    """A place that a task found: `bbox` (x1, y1, x2, y2) or `point` (x, y) in px of the last picture, upright."""

    label: str
    bbox: list[float] | None = None
    point: list[float] | None = None


class AnswerMessage(BaseModel):
    """What the model wrote, and what a task read from it: places in a picture of that size, or named fields."""

    role: Literal["assistant"]
    content: str
    places: list[FoundPlace] | None = None
    width: int | None = None
    height: int | None = None
    fields: dict[str, str] | None = None


class Choice(BaseModel):
    """The one answer."""

    index: Literal[0]
    message: AnswerMessage
    finish_reason: Literal["stop", "length"]


class CachedTokens(BaseModel):
    """Prompt tokens that were in the context already."""

    cached_tokens: int


class TokenUsage(BaseModel):
    """Tokens counted, not estimated; a picture counts one per 32x32 px and two more."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: CachedTokens


class Timings(BaseModel):
    """Seconds until the first token, and tokens per second from then on."""

    first_token_s: float
    tokens_per_s: float


class Completion(BaseModel):
    """A whole answer."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: TokenUsage
    timings: Timings


class ModelCard(BaseModel):
    """A model that answers; `max_model_len` is what one conversation may use, in tokens."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    title: str
    max_model_len: int


class ModelList(BaseModel):
    """The models that answer."""

    object: Literal["list"]
    data: list[ModelCard]


def request_schema() -> dict[str, Any]:
    """The JSON schema of `ChatBody` without references, which OpenAPI would look for elsewhere."""
    schema = ChatBody.model_json_schema()
    definitions = schema.pop("$defs")

    def inlined(node: Any) -> Any:
        if isinstance(node, list):
            return [inlined(item) for item in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return inlined(definitions[node["$ref"].rpartition("/")[2]])
        return {name: inlined(value) for name, value in node.items() if name != "discriminator"}

    return dict(inlined(schema))
