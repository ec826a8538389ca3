"""The named fields in an answer, also of one that was cut off."""

import json
import re
from typing import Any

PAIR = re.compile(r'("(?:[^"\\]|\\.)*")\s*:\s*("(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?|true|false|null)')


def fields(answer: str) -> dict[str, str]:
    """Names and values of the first JSON object in `answer`; of a broken one the pairs that are whole; {} if none."""
    start = answer.find("{")
    if start < 0:
        return {}
    try:
        value, _ = json.JSONDecoder().raw_decode(answer[start:])
    except (ValueError, RecursionError):
        value = {json.loads(name): json.loads(text) for name, text in PAIR.findall(answer[start:])}
    return {str(name): _shown(text) for name, text in value.items()}


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)
