"""From a chosen task and what was typed to what is asked."""

from qwen_vl_app.errors import EmptyRequest, Language, SecondPictureNeeded
from qwen_vl_app.tasks import DESCRIBE, Task, meant
from qwen_vl_app.ui.talk import Asked, Talk


def asking(talk: Talk, task: Task, typed: str, language: Language, added: tuple[str, ...] = ()) -> Asked:
    """What is asked in the conversation `talk`, with the pictures `added` to the question.

    Raises:
        EmptyRequest: there is nothing to ask, or nothing to ask about.
        SecondPictureNeeded: the task compares two pictures and there is one.
    """
    pictures = *talk.pictures, *added
    if task.pictures > len(pictures) > 0:
        raise SecondPictureNeeded()
    by_name = meant(typed)
    if by_name and not task.hint:
        return Asked(typed.strip(), by_name.name, typed, schema=by_name.schema(language), pictures=added)
    question = task.question(language, typed)
    if not question and not talk.exchanges:
        question = DESCRIBE.prompt(language)
    own = bool(typed.strip()) and not task.hint and typed.strip() not in (*task.words, *DESCRIBE.words)
    nothing_to_see = not pictures and not own
    if not question or nothing_to_see:
        raise EmptyRequest()
    return Asked(question, task.name, typed, _title(task, typed, language), task.schema(language, typed), added)


def _title(task: Task, typed: str, language: Language) -> str:
    """A task with words of the person's own is shown by its title and these, not by its long prompt."""
    if not task.hint and not task.listed:
        return ""
    title = task.title[language == "zh"]
    return f"{title}: {typed.strip()}" if typed.strip() and task.hint else title
