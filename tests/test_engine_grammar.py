import json

import pytest

from qwen_vl_app.engine.grammar import to_gbnf
from qwen_vl_app.errors import InvalidField


def nested(depth: int) -> str:
    return '{"properties":{"a":' * depth + '{"type":"string"}' + "}}" * depth


def test_a_schema_becomes_a_grammar() -> None:
    gbnf = to_gbnf(json.dumps({"type": "object", "properties": {"colour": {"enum": ["red", "blue"]}}}))
    assert "root ::=" in gbnf
    assert "red" in gbnf


@pytest.mark.parametrize(
    "schema", [{"type": "object"}, {"type": "string", "maxLength": 3}, {"type": "string", "pattern": "^a.c$"}], ids=str
)
def test_a_string_ends_at_its_quotation_mark_and_has_no_line_breaks(schema: dict[str, object]) -> None:
    rules = dict(line.split(" ::= ", 1) for line in to_gbnf(json.dumps(schema)).splitlines())
    wide = [rules[name] for name in ("char", "dot") if name in rules]
    assert wide
    assert all(rule.startswith(r'[^"\\\x7F\x00-\x1F]') for rule in wide)


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ("{", "not a JSON schema"),
        ("[]", "not a JSON schema"),
        ("{" * 5000, "not a JSON schema"),
        (nested(20), "levels deep"),
        (json.dumps({"const": "x" * 40000}), "larger than"),
        (json.dumps({"$ref": "https://example.org/schema.json"}), "not fetched"),
        (json.dumps({"type": "array", "items": {}, "minItems": 10**9}), "minItems"),
        (json.dumps({"type": "string", "maxLength": -1}), "maxLength"),
        (json.dumps({"type": "string", "pattern": "^" + "(" * 300 + "$"}), "longer than"),
        (json.dumps({"type": "string", "pattern": "^(?=a)$"}), "not supported"),
        (json.dumps({"type": "no such type"}), "not supported"),
    ],
)
def test_what_could_hurt_is_refused_naming_why(schema: str, why: str) -> None:
    with pytest.raises(InvalidField, match=why) as refusal:
        to_gbnf(schema)
    assert refusal.value.details["field"] == "response_format"
