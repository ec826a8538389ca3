"""What can go wrong for a person, in both languages, with the HTTP status of each.

AppError
├── BadRequest 400
│   ├── InvalidField            a field of a request is missing, of the wrong type or out of range
│   ├── SettingOutOfRange       a number in the page's settings
│   ├── TooManyPictures         more than one question takes on the page
│   ├── SecondPictureNeeded     a comparison with one picture
│   ├── UnreadablePicture       the bytes are not a picture this program reads
│   ├── PictureTooLarge         more pixels than will be decoded
│   ├── PictureTooCostly        its decoding was ended: too much time or memory
│   ├── UnusableRegion          the selected part of a picture is outside of it or tiny
│   ├── PictureNotFound         no such file (command line, Python)
│   ├── RemoteUrlRefused        a picture given as http(s) or file address
│   ├── ContextOverflow         the conversation does not fit `--ctx-size`
│   └── EmptyRequest            neither a picture nor a question
├── Unauthorized 401
├── ForbiddenOrigin 403
├── ForbiddenHost 403
├── ClosedAddress 403           a part of the page's framework that is switched off
├── UnknownModel 404
├── UnknownAddress 404          no such address below /v1
├── WrongMethod 405             GET where POST is meant, or the other way round
├── BodyTooLarge 413
├── EngineFailed 500            this request ended the engine, or llama.cpp refused it
└── Unavailable 503
    ├── NotReady                the model is not loaded yet
    ├── QueueFull
    ├── EngineRestarting
    └── PicturesPaused          the engine ended several times within minutes
SetupError                      the program or the model cannot start: for the terminal, and for its operator's page
"""

from typing import Literal

Language = Literal["en", "zh"]


class AppError(Exception):
    """A refusal with a text for people. `details` fill the texts and go into the API's answer.

    Only edges (api, ui, cli) turn it into text; nothing in it names a path or quotes a library.
    """

    status = 500
    kind = "server_error"
    code = "internal_error"
    en = "Something went wrong on our side. Please try again."
    zh = "程序内部出错，请重试。"

    def __init__(self, **details: str | int | float) -> None:
        self.details = details
        super().__init__(self.text("en"))

    def text(self, language: Language) -> str:
        """The message in `language`, with the details filled in."""
        return (self.zh if language == "zh" else self.en).format(**self.details)

    def answer(self) -> dict[str, object]:
        """The error as OpenAI's API words it; `param` is the field at fault where one is known."""
        shape = {"message": self.text("en"), "type": self.kind, "param": self.details.get("field"), "code": self.code}
        return {"error": {**shape, "details": self.details}}

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.details)


def _rebuild(kind: type[AppError], details: dict[str, str | int | float]) -> AppError:
    return kind(**details)


class BadRequest(AppError):
    status = 400
    kind = "invalid_request_error"
    code = "bad_request"
    en = "This request cannot be understood: {why}."
    zh = "无法理解这个请求：{why}。"


class InvalidField(BadRequest):
    code = "invalid_field"
    en = "'{field}' {why}."
    zh = "“{field}”不对：{why}。"


class SettingOutOfRange(BadRequest):
    code = "setting_out_of_range"
    en = "In the settings, “{field}” must be a number from {least} to {most}. Change it, or press “Recommended”."
    zh = "设置中的“{field}”必须是 {least} 到 {most} 之间的数。请修改，或点击“恢复推荐值”。"


class EmptyRequest(BadRequest):
    code = "empty_request"
    en = "There is nothing to answer yet: choose a picture or type a question."
    zh = "还没有可以回答的内容：请选择一张图片，或输入一个问题。"


class SecondPictureNeeded(BadRequest):
    code = "second_picture_needed"
    en = "This task takes two pictures: please choose the second one too."
    zh = "这项任务需要两张图片：请再选择第二张。"


class TooManyPictures(BadRequest):
    code = "too_many_pictures"
    en = "One question takes {limit} pictures. Remove some, or ask about the others in another question."
    zh = "一个问题最多可添加 {limit} 张图片。请移除一些，或在另一个问题中询问其他图片。"


class UnreadablePicture(BadRequest):
    code = "unreadable_picture"
    en = (
        "“{name}” cannot be read as a picture: it is damaged or of a kind this program does not open. "
        "Please use JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC."
    )
    zh = "“{name}”不能作为图片读取：文件已损坏，或格式不支持。请使用 JPEG、PNG、WebP、GIF、BMP、TIFF、AVIF 或 HEIC。"


class PictureTooLarge(BadRequest):
    code = "picture_too_large"
    en = "“{name}” has {megapixels} megapixels; at most {limit} can be opened. Please make it smaller and try again."
    zh = "“{name}”有 {megapixels} 百万像素，最多支持 {limit} 百万像素。请缩小后再试。"


class PictureTooCostly(BadRequest):
    code = "picture_too_costly"
    en = "“{name}” takes too much time or memory to open. Please save it as a smaller JPEG or PNG and try again."
    zh = "打开“{name}”需要的时间或内存过多。请另存为较小的 JPEG 或 PNG 后再试。"


class UnusableRegion(BadRequest):
    code = "unusable_region"
    en = (
        "The selected part lies outside of “{name}” or is smaller than {least} × {least} px. "
        "Please select a larger one, or the whole picture."
    )
    zh = "选定的区域在“{name}”之外，或小于 {least} × {least} 像素。请选大一些，或使用整张图片。"


class PictureNotFound(BadRequest):
    code = "picture_not_found"
    en = "There is no file “{name}”. Please check its name and folder."
    zh = "找不到文件“{name}”，请检查文件名和所在文件夹。"


class RemoteUrlRefused(BadRequest):
    code = "remote_url_refused"
    en = "Pictures are not fetched from addresses. Send the picture itself, as a data: URL with base64."
    zh = "本程序不会从网址获取图片。请直接发送图片内容（base64 的 data: URL）。"


class ContextOverflow(BadRequest):
    code = "context_length_exceeded"
    en = (
        "This conversation needs {needed} tokens and the context holds {limit}. "
        "Start a new one, use fewer or smaller pictures, or start the program with a larger --ctx-size."
    )
    zh = (
        "这段对话需要 {needed} 个 token，而上下文只有 {limit} 个。"
        "请新建对话、减少或缩小图片，或用更大的 --ctx-size 启动。"
    )


class Unauthorized(AppError):
    status = 401
    kind = "authentication_error"
    code = "invalid_api_key"
    en = "A user name and password, or a key, is needed."
    zh = "需要用户名和密码，或密钥。"


class ForbiddenOrigin(AppError):
    status = 403
    kind = "permission_error"
    code = "forbidden_origin"
    en = "Another web site is not allowed to use this program."
    zh = "不允许其他网站调用本程序。"


class ForbiddenHost(AppError):
    status = 403
    kind = "permission_error"
    code = "forbidden_host"
    en = "This program answers only at localhost. To reach it under another name, start it with --host 0.0.0.0."
    zh = "本程序只在 localhost 上应答。要用其他名称访问，请用 --host 0.0.0.0 启动。"


class ClosedAddress(AppError):
    status = 403
    kind = "permission_error"
    code = "closed_address"
    en = "This address is switched off here."
    zh = "这个地址在本程序中已关闭。"


class UnknownModel(AppError):
    status = 404
    kind = "invalid_request_error"
    code = "model_not_found"
    en = "There is no model '{name}' here; known: {known}."
    zh = "这里没有模型“{name}”；可用的有：{known}。"


class UnknownAddress(AppError):
    status = 404
    kind = "invalid_request_error"
    code = "unknown_address"
    en = "There is nothing at this address. Below /v1 there are chat/completions and models."
    zh = "这个地址不存在。/v1 下有 chat/completions 和 models。"


class WrongMethod(AppError):
    status = 405
    kind = "invalid_request_error"
    code = "method_not_allowed"
    en = "This address answers {allowed} only."
    zh = "这个地址只接受 {allowed} 请求。"


class BodyTooLarge(AppError):
    status = 413
    kind = "invalid_request_error"
    code = "body_too_large"
    en = "This upload is larger than {limit_mb} MB. Please send a smaller file."
    zh = "上传内容超过 {limit_mb} MB，请发送更小的文件。"


class EngineFailed(AppError):
    code = "engine_failed"
    en = "The model stopped while it worked on this request. It has been started again; please try once more."
    zh = "模型在处理这个请求时中断，现已重新启动，请再试一次。"


class Unavailable(AppError):
    status = 503
    kind = "service_unavailable"
    code = "unavailable"
    en = "The model cannot answer just now. Please try again in a moment."
    zh = "模型暂时无法回答，请稍后再试。"


class NotReady(Unavailable):
    code = "model_not_ready"
    en = "The model is not ready yet ({state}). Please try again in a moment."
    zh = "模型还没有准备好（{state}），请稍后再试。"


class QueueFull(Unavailable):
    code = "queue_full"
    en = "{waiting} questions are waiting already. Please try again in a moment."
    zh = "已有 {waiting} 个问题在排队，请稍后再试。"


class EngineRestarting(Unavailable):
    code = "engine_restarting"
    en = "The model is being started again. Please try again in a few seconds."
    zh = "模型正在重新启动，请几秒后再试。"


class PicturesPaused(Unavailable):
    code = "pictures_paused"
    en = (
        "The model has stopped several times while it worked on pictures, so it takes none for a few minutes. "
        "Questions without pictures are answered."
    )
    zh = "模型在处理图片时多次中断，几分钟内暂不接收图片；不带图片的问题照常回答。"


class SetupError(Exception):
    """What cannot start, why and what to do, in one line for the person who runs the program."""

    def text(self, language: Language) -> str:
        """The message in `language`, where it has both."""
        return str(self)

    def brief(self, language: Language) -> str:
        """What everybody may read: nothing of this machine, its folders above all."""
        if language == "zh":
            return "模型无法在这台机器上启动；运行本程序的人可以在终端里看到原因。"
        return "The model cannot be started on this machine; whoever runs the program finds the reason in the terminal."
