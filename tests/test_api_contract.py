"""The API keeps what its OpenAPI description promises, whatever is sent."""

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.conftest import Loop
from tests.fake_engine import FakeEngine
from tests.serving import api_app, demo_host, served

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


FAKE = demo_host(FakeEngine(["a fine answer"]))
DESCRIPTION = schemathesis.openapi.from_dict(api_app(FAKE).openapi())
OPERATIONS = [found.ok() for found in DESCRIPTION.get_all_operations()]


@pytest.fixture(scope="module")
def url(loop: Loop) -> Iterator[str]:
    with served(loop, api_app(FAKE)) as url:
        yield url


@pytest.mark.parametrize(
    ("operation", "mode"),
    [(operation, mode) for operation in OPERATIONS for mode in GenerationMode if operation.body or mode.is_positive],
    ids=lambda value: getattr(value, "label", None) or value.value,
)
def test_the_description_is_kept(url: str, operation: APIOperation, mode: GenerationMode) -> None:
    @given(operation.as_strategy(generation_mode=mode))
    @settings(max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=HealthCheck)
    def holds(case: Case) -> None:
        case.call_and_validate(base_url=url, checks=CHECKS, timeout=10)

    holds()
