"""From a JSON schema to llama.cpp's grammar, within bounds: llama.cpp crashes on grammars without any."""

import json
from typing import Any, NoReturn

from llama_cpp.llama_grammar import json_schema_to_gbnf

from qwen_vl_app.errors import InvalidField

FIELD = "response_format"
MAX_BYTES = 32_768
MAX_DEPTH = 32
MAX_COUNT = 1000  # minItems and the like; llama.cpp's own limit of repetitions is 2000
MAX_PATTERN = 200  # characters of a regular expression; deep nesting overflows llama.cpp's parser
# llama-cpp-python's rules let line breaks into strings, and quotation marks into those of a pattern: no JSON any more.
# llama.cpp's own json-schema-to-grammar.cpp has this class for `char`.
IN_A_STRING = r'[^"\\\x7F\x00-\x1F]'
TOO_WIDE = (("char ::= ", r'[^"\\]'), ("dot ::= ", r"[^\x0A\x0D]"))
COUNTS = ("minItems", "maxItems", "minLength", "maxLength")


def to_gbnf(schema: str) -> str:
    """The grammar of all JSON texts that `schema` allows.

    Raises:
        InvalidField: the schema is no JSON object, is too large or too deep, or says something that is not supported.
    """
    if len(schema.encode()) > MAX_BYTES:
        _refuse(f"is larger than {MAX_BYTES} bytes")
    try:
        tree = json.loads(schema)
    except (ValueError, RecursionError):
        _refuse("is not a JSON schema")
    if not isinstance(tree, dict):
        _refuse("is not a JSON schema")
    _check(tree, 0)
    try:
        gbnf = str(json_schema_to_gbnf(schema))
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError, IndexError, RecursionError):
        _refuse("uses something in its schema that is not supported here")
    for rule, wide in TOO_WIDE:
        gbnf = gbnf.replace(rule + wide, rule + IN_A_STRING)
    return gbnf


def _check(node: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        _refuse(f"is nested more than {MAX_DEPTH} levels deep")
    if isinstance(node, list):
        for item in node:
            _check(item, depth + 1)
    if not isinstance(node, dict):
        return
    for name, value in node.items():
        if name == "$ref" and not str(value).startswith("#/"):
            _refuse("refers to another document, which is not fetched")
        if name in COUNTS and isinstance(value, (int, float)) and not 0 <= value <= MAX_COUNT:
            _refuse(f"has a {name} outside 0 to {MAX_COUNT}")
        if name == "pattern" and isinstance(value, str) and len(value) > MAX_PATTERN:
            _refuse(f"has a pattern longer than {MAX_PATTERN} characters")
        _check(value, depth + 1)


def _refuse(why: str) -> NoReturn:
    raise InvalidField(field=FIELD, why=why)
