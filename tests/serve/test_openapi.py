"""The document at /openapi.json is kept: real answers are as it says, and no request that it describes breaks it."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.data.sample_files import write
from tests.recommend.stored_models import trained
from tests.serve.asking import Reply, ask, model_file, new_application, recommend
from trm_np.serve.metrics import Metrics
from trm_np.serve.served import ServedModel
from trm_np.serve.wsgi import METHODS, Application

schemathesis: Any = pytest.importorskip("schemathesis", reason="the extra [fuzz] is not installed")
jsonschema_rs: Any = pytest.importorskip("jsonschema_rs", reason="the extra [fuzz] is not installed")
checks: Any = pytest.importorskip(
    "schemathesis.specs.openapi.checks", reason="the extra [fuzz] is not installed"
)
GenerationMode = schemathesis.GenerationMode

CONFORMANCE = [
    pytest.importorskip("schemathesis.checks").not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
EVERYTHING = {
    "age": 34,
    "hobbies": ["cooking", "underwater rugby"],
    "relationship": "mother",
    "budget": 120.5,
    "occasion": "mothers_day",
    "preferences": ["quality"],
    "history": ["smart_plug_trio", "no such gift"],
}


@pytest.fixture(scope="module")
def application() -> Application:
    return new_application()


@pytest.fixture(scope="module")
def document(application: Application) -> Any:
    return ask(application, "/openapi.json").json


def validator(document: Any, name: str) -> Any:
    """Validator for a schema of the document, JSON Schema 2020-12 as in OpenAPI 3.1."""
    return jsonschema_rs.Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", **document}, validate_formats=True
    )


def problems(document: Any, name: str, reply: Reply) -> list[str]:
    values = reply.json if isinstance(reply.json, list) else [reply.json]
    return [str(error) for value in values for error in validator(document, name).iter_errors(value)]


def test_every_schema_is_one_and_every_path_is_in_the_document(document: Any) -> None:
    for schema in document["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema)
    assert {path: list(methods) for path, methods in document["paths"].items()} == {
        path: [method.lower()] for path, method in METHODS.items()
    }


@pytest.mark.parametrize(
    "query", ["", "?k=100&days_left=0", "?k=1&strict=false", "?any_age=true&allow=sold_out,late&exclude=x"]
)
@pytest.mark.parametrize("value", [{}, EVERYTHING, [EVERYTHING, {"budget": 0.01}, {"age": None}]], ids=str)
def test_answers_are_as_the_document_says(
    application: Application, document: Any, value: Any, query: str
) -> None:
    reply = recommend(application, value, query)
    assert reply.status == 200
    assert problems(document, "Recommendation", reply) == []


def test_answers_from_a_catalogue_of_which_little_is_known_are_as_the_document_says(
    document: Any, tmp_path: Path
) -> None:
    gifts = [{key: getattr(gift, key) for key in ("id", "name", "category")} for gift in trained().gifts]
    catalogue = write(tmp_path, catalogue={"gifts": gifts})["catalogue"]
    metrics = Metrics()
    application = Application(ServedModel(str(model_file()), str(catalogue), metrics), metrics)
    for value in ({}, EVERYTHING):
        reply = recommend(application, value)
        assert reply.status == 200 and reply.json["gifts"][0]["paid"] is None
        assert problems(document, "Recommendation", reply) == []


def test_the_description_of_the_model_and_errors_are_as_the_document_says(
    application: Application, document: Any
) -> None:
    assert problems(document, "Model", ask(application, "/model")) == []
    assert problems(document, "Health", ask(application, "/health")) == []
    for refused in (
        ask(application, "/nothing"),
        recommend(application, {"age": "old"}),
        recommend(application, []),
    ):
        assert problems(document, "Error", refused) == []


def test_the_schema_of_an_answer_refuses_what_is_none(application: Application, document: Any) -> None:
    answer = recommend(application, EVERYTHING).json
    spoilt: list[dict[str, Any]] = [
        {**answer, "gifts": None},
        {**answer, "gifts": [{}]},
        {**answer, "steps": "3"},
        {**answer, "more": 1},
        {**answer, "categories": {}},
        {**answer, "profile": {}},
        {key: value for key, value in answer.items() if key != "warnings"},
    ]
    assert [value for value in spoilt if validator(document, "Recommendation").is_valid(value)] == []


def test_the_limits_of_a_profile_are_those_of_the_server(application: Application, document: Any) -> None:
    for profile in (
        {"hobbies": ["x"] * 100},
        {"hobbies": ["x"] * 101},
        {"occasion": "x" * 1000},
        {"occasion": "x" * 1001},
        {"budget": 0.01},
        {"budget": 0.009},
    ):
        answered = recommend(application, profile).status == 200
        assert validator(document, "Profile").is_valid(profile) == answered, profile


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_recommend_keeps_to_the_document_whatever_it_is_sent(application: Application, mode: Any) -> None:
    """Requests that the schema refuses are refused, and the others are answered, unless unknown names are errors."""
    operation = schemathesis.openapi.from_wsgi("/openapi.json", application)["/recommend"]["POST"]
    statuses = set()

    @settings(
        max_examples=50,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    @given(operation.as_strategy(mode))
    def fuzz(case: Any) -> None:
        response = case.call()
        statuses.add(response.status_code)
        strict = str((case.query or {}).get("strict")).lower() == "true"
        further = [checks.negative_data_rejection] + ([] if strict else [checks.positive_data_acceptance])
        case.validate_response(response, checks=CONFORMANCE + further)

    fuzz()
    assert statuses >= ({200} if mode is GenerationMode.POSITIVE else {400, 422})


@pytest.mark.parametrize("path", [path for path, method in METHODS.items() if method == "GET"])
def test_what_is_read_keeps_to_the_document(application: Application, path: str) -> None:
    operation = schemathesis.openapi.from_wsgi("/openapi.json", application)[path]["GET"]
    case = operation.Case()
    case.validate_response(case.call(), checks=CONFORMANCE)
