"""Writes the generated tables into both READMEs: `python tools/tables.py`. A test fails when they drift."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from qwen_vl_app import settings  # noqa: E402
from qwen_vl_app.catalogue import MODELS, QWEN_BUDGETS, File  # noqa: E402
from qwen_vl_app.tasks import TASKS  # noqa: E402
from tools.machines import machines  # noqa: E402

READMES = {"en": ROOT / "README.md", "zh": ROOT / "README.zh-CN.md"}
ANSWERS = {
    "en": {"text": "text", "places": "places in JSON, drawn on the picture", "fields": "JSON with these fields"},
    "zh": {"text": "文字", "places": "JSON 坐标，并画在图上", "fields": "含这些字段的 JSON"},
}
HEADS = {
    ("options", "en"): ("flag", "environment variable", "default", "meaning"),
    ("options", "zh"): ("参数", "环境变量", "默认值", "含义"),
    ("models", "en"): ("`--model`", "model", "language part", "projector", "together"),
    ("tasks", "en"): ("`--task`", "task", "picture tokens", "sampling", "answer"),
    ("tasks", "zh"): ("`--task`", "任务", "图片 token", "采样", "回答"),
    ("machines", "en"): ("machine", "good flags", "runs on", "memory", "tokens/s"),
    ("machines", "zh"): ("机器", "合适的参数", "运行在", "内存", "token/秒"),
    ("models", "zh"): ("`--model`", "模型", "语言部分", "投影器", "合计"),
}


def options(language: str) -> list[tuple[str, ...]]:
    """A row for every setting."""
    return [
        (
            f"`{settings.flag(option)}`",
            f"`{settings.variable(option)}`",
            f"`{settings.shown_default(option)}`" if settings.shown_default(option) != "" else "–",
            option.metadata[language],
        )
        for option in settings.options()
    ]


def models(_language: str) -> list[tuple[str, ...]]:
    """A row for every model with files to download, and the demo."""
    return [
        (f"`{m.name}`", m.title, named(m.model), named(m.mmproj), gigabytes(m.model.size + m.mmproj.size))
        for m in MODELS.values()
    ]


def tasks(language: str) -> list[tuple[str, ...]]:
    """A row for every task; picture tokens as for Qwen3-VL."""
    chinese = language == "zh"
    kinds = ANSWERS[language]
    return [
        (
            f"`{t.name}`",
            t.title[chinese],
            "–".join(str(n) for n in vars(QWEN_BUDGETS[t.detail]).values()),
            ("greedy", "贪心")[chinese] if t.exact else ("the model's", "模型默认")[chinese],
            kinds[t.kind],
        )
        for t in TASKS.values()
    ]


def named(file: File) -> str:
    """File name and size."""
    return f"`{file.name}` ({gigabytes(file.size)})" if file.size else f"`{file.name}`"


def gigabytes(size: int) -> str:
    """Size in GB with one decimal; what is kept in the repository is small."""
    return f"{size / 1e9:.1f} GB" if size else "6 MB"


TABLES = {"options": options, "models": models, "machines": machines, "tasks": tasks}


def table(name: str, language: str) -> str:
    """The Markdown table called `name`."""
    rows = TABLES[name](language)
    head = HEADS[name, language]
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def filled(text: str, language: str) -> str:
    """`text` with every table between its markers made anew."""
    for name in TABLES:
        mark = f"<!-- {name} -->"
        made = f"{mark}\n{table(name, language)}\n{mark}"
        text = re.sub(f"{mark}.*?{mark}", lambda _, made=made: made, text, flags=re.DOTALL)
    return text


if __name__ == "__main__":
    for language, path in READMES.items():
        path.write_text(filled(path.read_text(encoding="utf-8"), language), encoding="utf-8")
