"""The addresses below `/v1`, and the one place where their refusals become answers."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect

from qwen_vl_app import reading
from qwen_vl_app.api.access import Access
from qwen_vl_app.api.convert import to_request
from qwen_vl_app.api.parse import parse
from qwen_vl_app.api.reply import EventStream, Reply
from qwen_vl_app.api.schema import Completion, ErrorBody, ModelCard, ModelList, request_schema
from qwen_vl_app.catalogue import Model, find
from qwen_vl_app.chat import Delta, join
from qwen_vl_app.engine.fit import SMALLEST_CONTEXT
from qwen_vl_app.errors import (
    AppError,
    NotReady,
    SetupError,
    Unauthorized,
    Unavailable,
    UnknownAddress,
    UnknownModel,
    WrongMethod,
)
from qwen_vl_app.host import DEMO, Host

RETRY_AFTER = 5  # s: what a client is told that comes too early or into a full queue
CLIENT_LEFT = 499  # nobody reads it
METHODS = {"chat/completions": "POST", "models": "GET"}
EVERY_METHOD = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"]
REFUSALS: dict[int | str, dict[str, Any]] = {status: {"model": ErrorBody} for status in (400, 401, 404, 413, 500, 503)}
BODY = {"required": True, "content": {"application/json": {"schema": request_schema()}}}
EVENT = {"type": "object", "properties": {"data": {"type": "string"}}, "required": ["data"]}
STREAM = {"content": {"text/event-stream": {"schema": EVENT}}}


class Edge(APIRoute):
    """A route whose refusals are answered in OpenAI's error shape."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with its refusals turned into answers."""
        handle = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handle(request)
            except AppError as error:
                return refusal(error)
            except ClientDisconnect:
                return Response(status_code=CLIENT_LEFT)

        return answered


def refusal(error: AppError) -> Response:
    """The answer that `error` is."""
    headers = {}
    if isinstance(error, Unavailable):
        headers["retry-after"] = str(RETRY_AFTER)
    if isinstance(error, Unauthorized):
        headers["www-authenticate"] = "Bearer"
    if isinstance(error, WrongMethod):
        headers["allow"] = str(error.details["allowed"])
    return JSONResponse(error.answer(), error.status, headers)


def router(host: Host) -> APIRouter:
    """`/v1/chat/completions` and `/v1/models`, answered by the model of `host`."""
    access = Access(host.settings.api_key)
    routes = APIRouter(prefix="/v1", route_class=Edge, dependencies=[Depends(access.check)], responses=REFUSALS)
    since = int(time.time())

    @routes.post(
        "/chat/completions", response_model=Completion, responses={200: STREAM}, openapi_extra={"requestBody": BODY}
    )
    async def complete(request: Request) -> Response:
        """An answer to a conversation with pictures, whole or as server-sent events."""
        return await answer(host, request, access.owner(request))

    @routes.get("/models", response_model=ModelList)
    def models() -> ModelList:
        """The models that answer."""
        return ModelList(object="list", data=[model_card(model, host, since) for model in models_of(host)])

    @routes.get("/models/{name}", response_model=ModelCard)
    def model(name: str) -> ModelCard:
        """One model."""
        return model_card(meant(host, name), host, since)

    @routes.api_route("/{rest:path}", methods=EVERY_METHOD, include_in_schema=False)
    def elsewhere(rest: str, request: Request) -> None:
        """Everything else below /v1."""
        allowed = METHODS.get("models" if rest.startswith("models/") else rest, request.method)
        raise UnknownAddress() if allowed == request.method else WrongMethod(allowed=allowed)

    return routes


def models_of(host: Host) -> list[Model]:
    """The model of `host`, and the demo, which answers beside it."""
    demo = find(DEMO)
    return [host.model] if host.model.name == DEMO else [host.model, demo]


def model_card(model: Model, host: Host, created: int) -> ModelCard:
    """What `/v1/models` says about `model`; `created` in seconds since 1970."""
    return ModelCard(
        id=model.name,
        object="model",
        created=created,
        owned_by="local",
        title=model.title,
        max_model_len=host.ctx_size if model is host.model else SMALLEST_CONTEXT,
    )


def meant(host: Host, name: str | None) -> Model:
    """The model that a request names: by name or title; `default` or none is the model of `host`.

    Raises:
        UnknownModel: naming the models there are.
    """
    wanted = (name or "").strip().casefold()
    models = models_of(host)
    for model in models:
        if wanted in (model.name.casefold(), model.title.casefold()):
            return model
    if wanted in ("", "default"):
        return host.model
    raise UnknownModel(name=(name or "")[:100], known=", ".join(model.name for model in models), field="model")


async def answering(host: Host, name: str | None) -> Host:
    """The host of the model that a request names, ready to answer.

    Raises:
        UnknownModel, NotReady: see `meant` and `check_ready`.
    """
    if meant(host, name) is host.model or host.installing:
        check_ready(host)
        return host
    try:
        return await host.demo()
    except SetupError:
        raise NotReady(state="failed") from None


def check_ready(host: Host) -> None:
    """Refuse while the model cannot answer, before any picture is opened.

    Raises:
        NotReady: it is being loaded, or cannot be.
    """
    if host.state not in ("ready", "restarting"):  # while it is started again requests wait in the engine
        raise NotReady(**progress(host))


def progress(host: Host) -> dict[str, str | int | float]:
    """What `host` is busy with before it can answer, for the texts and numbers of a refusal; sizes in bytes."""
    if host.state == "installing":
        share = "" if host.built is None else f", {host.built:.0%} built"
        return {"state": f"installing llama.cpp{share}"}
    if host.state == "starting":
        return {"state": f"starting, {host.loaded:.0%} loaded"}
    if host.state == "failed" and host.failure:
        return {"state": f"failed: {host.failure.brief('en').rstrip('.')}"}
    if host.state != "downloading" or host.progress is None:
        return {"state": host.state}
    done, total = host.progress.done, host.progress.total
    share = f", {done / total:.0%} of {total / 1e9:.1f} GB" if total else ""
    return {"state": f"{host.state}{share}", "done": done, "total": total}


async def answer(host: Host, request: Request, owner: str) -> Response:
    """The answer to the chat request in the body of `request`.

    Raises:
        AppError: it is refused; a stream has not begun then.
    """
    body = await asyncio.to_thread(parse, await request.body())  # takes 0.4 s for 60 MB
    host = await answering(host, body.model)
    options = body.stream_options
    converted = await to_request(body, host, owner)
    asked = converted.request
    reply = Reply(f"chatcmpl-{asked.id}", host.model.name, bool(options and options.include_usage))
    deltas = reading.answer(host.engine, asked, converted.pieces, converted.task)
    await anext(deltas)  # Accepted, or the refusal
    if body.stream:
        return EventStream(reply.events(deltas))
    async with aclosing(watched(deltas, request, reply)) as watching:
        whole = await join(watching)
        return JSONResponse(reply.completion(whole, converted.findings(whole.text)))


async def watched(deltas: AsyncGenerator[Delta, None], request: Request, reply: Reply) -> AsyncGenerator[Delta, None]:
    """The deltas, as long as somebody waits for them; the engine sends one every 0.5 s.

    Raises:
        ClientDisconnect: nobody does any more.
    """
    async with aclosing(deltas):
        async for delta in deltas:
            if await request.is_disconnected():
                raise ClientDisconnect
            reply.note(delta)
            yield delta
