"""What a person can set: one table gives the flag, the environment variable, the help and the default.

A flag wins over the environment, the environment over the default. Read once, then passed as values.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from qwen_vl_app.errors import Language, SetupError

KvType: TypeAlias = Literal["f16", "q8_0"]
Accelerator: TypeAlias = Literal["cuda", "metal", "rocm", "vulkan", "cpu"]

PREFIX = "QWEN_VL_"
KNOWN_AS = "MODEL_PATH"  # what many guides call QWEN_VL_MODEL
ROOT = Path(__file__).resolve().parent.parent


AUTO_WORD = "auto"


def _option(
    default: object,
    en: str,
    zh: str,
    metavar: str,
    low: int | None = None,
    high: int | None = None,
    auto: int | None = None,
    choices: tuple[str, ...] = (),
    also: str = "",
) -> Any:
    """A setting; `auto` is the number that the word `auto` stands for, `also` a second environment variable."""
    meta = {"en": en, "zh": zh, "metavar": metavar, "low": low, "high": high, "auto": auto, "choices": choices}
    meta["also"] = also
    return field(default=default, metadata=meta)


@dataclass(frozen=True)
class Settings:
    """The program's settings; every field is `--name` and `QWEN_VL_NAME`."""

    model: str = _option(
        "auto",
        "which model answers: 8b, 4b, 2b, demo, auto for the largest that fits, a .gguf file (also as MODEL_PATH), "
        "or a repository OWNER/NAME:QUANT",
        "由哪个模型回答：8b、4b、2b、demo、auto（内存放得下的最大模型）、.gguf 文件（也可用 MODEL_PATH），"
        "或仓库 OWNER/NAME:QUANT",
        "NAME",
        also="MODEL_PATH",  # what the blog posts set
    )
    quant: str = _option(
        "",
        "how its weights are stored: int4 (Q4_K_M), int8 (Q8_0) or fp16 (F16)",
        "权重的存放方式：int4（Q4_K_M）、int8（Q8_0）或 fp16（F16）",
        "NAME",
    )
    mmproj: str = _option("", "the same for the projector: fp16 or int8", "投影器的存放方式：fp16 或 int8", "NAME")
    hub: str = _option(
        "auto",
        "where to download from: auto, huggingface, hf-mirror, modelscope or an address",
        "从哪里下载：auto、huggingface、hf-mirror、modelscope 或一个地址",
        "HUB",
    )
    host: str = _option(
        "127.0.0.1",
        "address to listen on; 0.0.0.0 for every network",
        "监听的地址；0.0.0.0 表示所有网络",
        "ADDRESS",
    )
    port: int = _option(
        7860,
        "port to listen on; a busy one is an error",
        "监听的端口；被占用时报错",
        "PORT",
        1,
        65535,
    )
    accelerator: str = _option(
        AUTO_WORD,
        "which build bash start.sh installs: auto for the best that works, or cuda, metal, rocm, vulkan, cpu",
        "bash start.sh 安装哪种版本：auto 为能用的最好的一种，或 cuda、metal、rocm、vulkan、cpu",
        "NAME",
        choices=(AUTO_WORD, *get_args(Accelerator)),
    )
    gpu_layers: int = _option(
        -1,
        "layers on the GPU: auto for as many as fit, 0 for none",
        "放在 GPU 上的层数：auto 为尽量多，0 为不用",
        "N|auto",
        0,
        auto=-1,
    )
    device: int = _option(0, "which GPU, by its number", "使用第几块 GPU", "N", 0)
    ctx_size: int = _option(
        0,
        "tokens that one conversation may use: auto is 8192, or less on small machines",
        "一段对话可以使用的 token 数：auto 为 8192，内存小的机器会更少",
        "TOKENS|auto",
        512,
        auto=0,
    )
    kv_type: KvType = _option(
        "f16",
        "how the context is kept: f16, or q8_0 for half of the memory",
        "上下文的存放方式：f16，或只用一半内存的 q8_0",
        "TYPE",
        choices=("f16", "q8_0"),
    )
    parallel: int = _option(
        4,
        "answers written at the same time",
        "同时生成的回答数",
        "N",
        1,
        32,
    )
    max_short_side: int = _option(
        768,
        "pictures are reduced to this short side, twice it for tasks that read or find",
        "图片的短边缩小到这个尺寸；识别文字、框选类任务为其两倍",
        "PIXELS",
        32,
        4096,
    )
    max_upload: int = _option(
        64,
        "largest request body",
        "请求体的最大大小",
        "MB",
        1,
    )
    queue_size: int = _option(
        64,
        "questions that may wait; more are told to come back",
        "可以排队的问题数；再多会请对方稍后再来",
        "N",
        1,
    )
    models_dir: str = _option(
        str(ROOT / "models"),
        "folder of the model files",
        "模型文件所在的文件夹",
        "FOLDER",
    )
    auth: str = _option(
        "",
        "user:password asked for in front of everything but /health",
        "除 /health 外都要求的“用户名:密码”",
        "USER:PASSWORD",
    )
    api_key: str = _option(
        "",
        "key asked for below /v1, as Bearer or X-Api-Key",
        "/v1 下要求的密钥，以 Bearer 或 X-Api-Key 给出",
        "KEY",
    )


def options() -> tuple[Field[Any], ...]:
    """The fields of `Settings`, in the order of the help."""
    return fields(Settings)


def flag(option: Field[Any]) -> str:
    """The option's flag, e.g. `--gpu-layers`."""
    return "--" + option.name.replace("_", "-")


def variable(option: Field[Any]) -> str:
    """The option's environment variable, e.g. `QWEN_VL_GPU_LAYERS`."""
    return PREFIX + option.name.upper()


def add_options(parser: argparse.ArgumentParser, language: Language = "en") -> None:
    """Give `parser` a flag for every setting, explained in `language`."""
    for option in options():
        word = "default" if language == "en" else "默认"
        shown = f" ({word}: {shown_default(option)})" if shown_default(option) != "" else ""
        text = f"{option.metadata[language]}{shown}  [{variable(option)}]"
        parser.add_argument(flag(option), metavar=option.metadata["metavar"], help=text)


def shown_default(option: Field[Any]) -> object:
    """The default as people are told it; "" for none."""
    if option.default == option.metadata["auto"]:
        return AUTO_WORD
    return "models" if option.name == "models_dir" else option.default


def as_arguments(settings: Settings) -> list[str]:
    """The flags that give these settings again, for another process."""
    return [word for option in options() for word in (flag(option), _word(option, settings))]


def _word(option: Field[Any], settings: Settings) -> str:
    value = getattr(settings, option.name)
    return AUTO_WORD if value == option.metadata["auto"] else str(value)


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
            continue
        for name in (variable(option), option.metadata["also"]):
            if environ.get(name):
                values[option.name] = _parse(option, environ[name], name)
                break
    return Settings(**values)


def parse(argv: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """Settings from a list of flags and the environment; see `load`."""
    parser = argparse.ArgumentParser()
    add_options(parser)
    return load(parser.parse_args(argv), environ)


def _parse(option: Field[Any], value: str, source: str) -> object:
    choices = option.metadata["choices"]
    if choices and value not in choices:
        raise SetupError(f"{source}: '{value}' is not one of {', '.join(choices)}")
    if not isinstance(option.default, int):
        return value
    if value == AUTO_WORD and option.metadata["auto"] is not None:
        return option.metadata["auto"]
    low, high = option.metadata["low"], option.metadata["high"]
    try:
        number = int(value)
    except ValueError:
        raise SetupError(f"{source}: '{value}' is not a whole number") from None
    if (low is not None and number < low) or (high is not None and number > high):
        limits = f"from {low} to {high}" if high is not None else f"at least {low}"
        raise SetupError(f"{source}: {number} is out of range; it must be {limits}")
    return number
