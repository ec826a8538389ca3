"""What a person can ask for: the prompt of each task in both languages."""

from dataclasses import dataclass

from qwen_vl_app.errors import Language


@dataclass(frozen=True)
class Task:
    """A ready-made question."""

    name: str
    en: str
    zh: str

    def prompt(self, language: Language) -> str:
        """The question in `language`."""
        return self.zh if language == "zh" else self.en


DESCRIBE = Task("describe", en="Describe this picture.", zh="请描述这张图片。")
