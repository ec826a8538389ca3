"""Every wording that the demo model was trained on, as data (prompts.json): PROMPTS[task][lang].

{place}, {thing}, {things}, {a_thing} and {keys} are filled in. The app's own prompts should be among these.
"""

import json
from pathlib import Path

_DATA = json.loads(Path(__file__).with_name("prompts.json").read_text(encoding="utf-8"))
PROMPTS: dict[str, dict[str, list[str]]] = _DATA["prompts"]
SYSTEMS: list[str] = _DATA["systems"]
