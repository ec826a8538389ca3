"""What a person can ask for, for the page, the API and the command line alike."""

import re

from qwen_vl_app.tasks.fields import fields
from qwen_vl_app.tasks.joined import Whole, as_answer, merged
from qwen_vl_app.tasks.places import Found, Place, found, in_pixels
from qwen_vl_app.tasks.table import ASK, DESCRIBE, FIELD_SETS, TASKS
from qwen_vl_app.tasks.task import Task, Words
from qwen_vl_app.tasks.translation import other_language, translate

__all__ = [
    "ASK",
    "DESCRIBE",
    "FIELD_SETS",
    "NO_DIAGNOSIS",
    "TASKS",
    "Found",
    "Place",
    "Task",
    "Whole",
    "as_answer",
    "fields",
    "found",
    "in_pixels",
    "is_medical",
    "meant",
    "merged",
    "other_language",
    "translate",
]

_ASPECTS_ASKED = re.compile(r"[五六56]个方面|\b(?:five|six) aspects\b", re.IGNORECASE)
_MEDICAL = re.compile(
    r"诊断|病变|病理|病灶|肿瘤|皮疹|骨折|X光|CT片|核磁|心电图|化验|"
    r"\b(?:diagnos\w*|x-?ray|mri|ct scan|tumou?r|lesion|rash|fracture|ecg|ekg|symptom\w*|disease)\b",
    re.IGNORECASE,
)
NO_DIAGNOSIS: Words = (
    "This is a model's description, not a diagnosis: ask a doctor.",
    "以上是模型的描述，不是诊断，请咨询医生。",
)


def meant(asked: str) -> Task | None:
    """The task that a free question asks for by its usual name: 五个方面 and 六个方面 are the six aspects."""
    return TASKS["aspects"] if _ASPECTS_ASKED.search(asked) else None


def is_medical(asked: str) -> bool:
    """Whether a question sounds as if a diagnosis were wanted."""
    return bool(_MEDICAL.search(asked))
