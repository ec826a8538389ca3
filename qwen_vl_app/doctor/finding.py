"""One thing that the doctor looked at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from qwen_vl_app.doctor.texts import ADVICE, FOUND, TITLES
from qwen_vl_app.errors import Language, SetupError

Level: TypeAlias = Literal["ok", "note", "fail"]
MARKS: dict[Level, str] = {"ok": "✓", "note": "·", "fail": "✗"}


@dataclass(frozen=True)
class Finding:
    """What was looked at, how it is, and the keys of what to say; `note` is neither good nor bad."""

    check: str
    level: Level
    found: str
    advice: str = ""
    details: Mapping[str, object] = field(default_factory=dict)

    def said(self, language: Language) -> str:
        """What was found, in words."""
        return self._fill(FOUND[self.found][language == "zh"], language)

    def advised(self, language: Language) -> str:
        """What to do about it, "" for nothing."""
        return self._fill(ADVICE[self.advice][language == "zh"], language)

    def line(self, language: Language) -> str:
        """One line for the terminal."""
        advice = self.advised(language)
        title = TITLES[self.check][language == "zh"]
        return f"{MARKS[self.level]} {title}: {self.said(language)}{' → ' + advice if advice else ''}"

    def as_json(self, language: Language) -> dict[str, str]:
        """The same for a program."""
        said = {"found": self.said(language), "advice": self.advised(language)}
        return {"check": self.check, "state": self.level, **said}

    def _fill(self, text: str, language: Language) -> str:
        details = {
            key: value.text(language) if isinstance(value, SetupError) else value for key, value in self.details.items()
        }
        return text.format(**details)
