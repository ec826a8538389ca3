"""What people pick before they ask: a task, and for documents a ready list of fields."""

from typing import Any

import gradio as gr

from qwen_vl_app.errors import Language
from qwen_vl_app.tasks import DESCRIBE, FIELD_SETS, TASKS, Task
from qwen_vl_app.ui.person import language_for
from qwen_vl_app.ui.texts import text

ALL_PROMPTS = {task.prompt(language) for task in TASKS.values() for language in ("en", "zh") if not task.hint}
ALL_FIELDS = {fields for _, both in FIELD_SETS.values() for fields in both}


def titles(language: Language) -> list[tuple[str, str]]:
    """The tasks as a choice: title and name."""
    return [(task.title[language == "zh"], name) for name, task in TASKS.items()]


def field_titles(language: Language) -> list[tuple[str, str]]:
    """The ready lists of fields as a choice."""
    return [(both[language == "zh"], name) for name, (both, _) in FIELD_SETS.items()]


def offer(request: gr.Request) -> tuple[Any, Any]:
    """Both choices in the person's language."""
    language = language_for(request)
    return gr.update(choices=titles(language), value=DESCRIBE.name), gr.update(choices=field_titles(language))


def pick_task(name: str, request: gr.Request) -> tuple[Any, Any, Any]:
    """What choosing a task changes besides the words: the question box's hint, the second picture, the ready fields."""
    task = TASKS[name]
    box = gr.update(placeholder=hint(task, language_for(request)))
    return box, gr.update(visible=task.pictures > 1), gr.update(visible=name == "pairs", value=None)


def facts(language: Language) -> dict[str, Any]:
    """For tasks.js: what the question box says for each task, and all that it may say without a person having typed."""
    return {
        "ready": {name: ready(task, language) for name, task in TASKS.items()},
        "unasked": sorted(ALL_PROMPTS | ALL_FIELDS),
    }


def ready(task: Task, language: Language) -> str:
    """What the question box says when the task is chosen: its prompt, or nothing where words of one's own go."""
    return "" if task.hint else task.prompt(language)


def hint(task: Task, language: Language) -> str:
    """What the empty question box says."""
    return task.hint[language == "zh"] if task.hint else text("ask", language)


def pick_fields(name: str | None, request: gr.Request) -> Any:
    """The question box with a ready list of fields."""
    return FIELD_SETS[name][1][language_for(request) == "zh"] if name else gr.skip()
