"""The OpenAPI 3.1 document of the server: what requests may hold, and what answers do hold.

Schemas of requests come from the checks of data/schema.py and question.py. A request may contain any words: the names
of the vocabulary are examples. A response contains only names of the vocabulary.
"""

from collections.abc import Iterator
from typing import Any

from trm_np import __version__
from trm_np.data import schema
from trm_np.data.schema import Schema, nullable, object_of
from trm_np.data.vocabulary import Vocabulary
from trm_np.recommend.terms import Terms
from trm_np.serve.http import JSON
from trm_np.serve.metrics import CONTENT_TYPE
from trm_np.serve.question import GIFTS, LIMITS, PARAMETERS, PROFILES, word
from trm_np.world.reward import COMPONENTS

TEXT: Schema = schema.string.schema
TEXTS: Schema = schema.list_of(schema.string).schema
NUMBER: Schema = {"type": "number"}
PRICE: Schema = nullable(schema.money.schema)
PROBABILITY: Schema = schema.number(0, 1).schema
COUNT: Schema = {"type": "integer", "minimum": 0}
STEPS: Schema = {"type": "integer", "minimum": 1}
CURRENCY = schema.currency.schema | {"description": "Currency of all sums, as it is written before them."}
DIGEST: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
TIME: Schema = {"type": "string", "format": "date-time"}
PARAMETER_DESCRIPTIONS: dict[str, tuple[str, Schema]] = {
    "k": ("Number of gifts. If fewer may be given, a warning says why.", {"default": Terms().k}),
    "days_left": ("Days until the gift is needed. Gifts that would come late are left out.", {}),
    "strict": (
        "Whether an unknown word is an error, or counts as missing with a warning. A synonym is not unknown.",
        {"default": False},
    ),
    "allow": ("Rules to ignore: gifts that they rule out may come.", {"default": []}),
    "any_age": ("Whether gifts for another age are allowed.", {"default": False}),
    "exclude": ("Ids of gifts to leave out.", {"default": []}),
}
ERRORS = {
    400: "The query, or the JSON of the body, cannot be read.",
    411: "The length of the body is missing.",
    413: "The body, or its list, is too large.",
    415: "The body is not declared as JSON in UTF-8.",
    422: "A profile is not allowed; none of them is answered.",
    500: "A bug in the server.",
    503: "The answer would take too long; ask for less, or later.",
}


def document(vocabulary: Vocabulary) -> dict[str, Any]:
    """The document for a model with this vocabulary, without `servers`, which depend on the request."""
    health = "State of the server, and the model that it uses."
    about = "Gifts for a person, recommended by a Tiny Recursive Model."
    return {
        "openapi": "3.1.0",
        "info": {"title": "trm_np", "version": __version__, "description": about},
        "paths": {
            "/recommend": {"post": recommend()},
            "/health": read(health, JSON, reference("Health"), 200, 503),
            "/model": read("The model that answers, and its vocabulary.", JSON, reference("Model")),
            "/metrics": read("Counters for Prometheus.", CONTENT_TYPE, TEXT),
            "/openapi.json": read("This document.", JSON, {"type": "object"}),
            "/": read("Page with a form for a profile.", "text/html", TEXT),
        },
        "components": {
            "schemas": {
                "Profile": profile(vocabulary),
                "Recommendation": recommendation(vocabulary),
                "Model": model(vocabulary),
                "Health": health_reply(),
                "Error": object_of({"error": {"type": "string", "pattern": r"^[^\r\n]+$"}}),
            }
        },
    }


def recommend() -> dict[str, Any]:
    """Description of POST /recommend."""

    def one_or_many(of: str) -> Schema:
        many = {"type": "array", "items": reference(of), "minItems": 1, "maxItems": PROFILES}
        return {"anyOf": [reference(of), many]}

    answered = answer("The answer, or one for each in a list.", JSON, one_or_many("Recommendation"))
    refused = {str(status): answer(why, JSON, reference("Error")) for status, why in ERRORS.items()}
    return {
        "operationId": "recommend",
        "summary": "Gifts for one person, or for each of a list of them.",
        "parameters": list(parameters()),
        "requestBody": {"required": True, "content": {JSON: {"schema": one_or_many("Profile")}}},
        "responses": {"200": answered, **refused},
    }


def parameters() -> Iterator[dict[str, Any]]:
    for name, check in PARAMETERS.items():
        meaning, default = PARAMETER_DESCRIPTIONS[name]
        form = {"in": "query", "style": "form", "explode": False}
        yield {"name": name, "description": meaning, "schema": check.schema | default, **form}


def read(summary: str, kind: str, content: Schema, *statuses: int) -> dict[str, Any]:
    """Description of a GET that is never refused, with the status 200 or these statuses."""
    responses = {str(status): answer(summary, kind, content) for status in statuses or (200,)}
    return {"get": {"summary": summary, "responses": responses}}


def answer(description: str, kind: str, content: Schema) -> dict[str, Any]:
    return {"description": description, "content": {kind: {"schema": content}}}


# --------------------------------------------------------------------------------------- what they hold


def profile(vocabulary: Vocabulary) -> Schema:
    """The schema of a profile in a request."""
    fields = schema.profile_fields(vocabulary, word)
    return schema.record({name: schema.or_null(check) for name, check in fields.items()}, fields).schema


def recommendation(vocabulary: Vocabulary) -> Schema:
    """An answer."""
    fields = {name: check.schema for name, check in schema.profile_fields(vocabulary).items()}
    fields = {name: each if "items" in each else nullable(each) for name, each in fields.items()}
    gift = {
        "id": TEXT,
        "name": TEXT,
        "category": schema.name(vocabulary.categories).schema,
        "price": PRICE,
        "paid": PRICE,
        "offer": nullable(schema.offer.schema),
        "predicted_reward": {**NUMBER, "description": "The model's guess; it never rises down a list."},
        "components": {
            **object_of(dict.fromkeys(COMPONENTS, PROBABILITY)),
            "description": "Components of the true reward, computed by rule, given the gifts before it.",
        },
        "reasons": {**TEXTS, "minItems": 1},
    }
    tool = {
        "name": schema.name(vocabulary.tools).schema,
        "probability": PROBABILITY,
        "found": TEXT,
        "data": {"type": "object"},
    }
    return object_of(
        {
            "profile": object_of(fields),
            "currency": CURRENCY,
            "gifts": {"type": "array", "items": object_of(gift), "maxItems": GIFTS},
            "categories": object_of(dict.fromkeys(vocabulary.categories, PROBABILITY)),
            "tools": {"type": "array", "items": object_of(tool)},
            "tool_probabilities": object_of(dict.fromkeys(vocabulary.tools, PROBABILITY)),
            "steps": STEPS,
            "most_steps": STEPS,
            "warnings": TEXTS,
            "notes": {**TEXTS, "description": "Words of the profile and the names that they counted as."},
        }
    )


def model(vocabulary: Vocabulary) -> Schema:
    """Schema of the reply of /model."""
    synonyms = {"description": "The name that each synonym stands for, for each list."}
    lists = {name: check.schema for name, check in schema.vocabulary_lists().items()}
    figures = {"type": "object", "additionalProperties": NUMBER}
    return object_of(
        {
            "version": TEXT,
            "preset": TEXT,
            "parameters": COUNT,
            "seed": COUNT,
            "sha256": DIGEST,
            "metrics": {"type": "object", "additionalProperties": figures},
            "vocabulary": object_of({**lists, "synonyms": schema.synonyms(vocabulary).schema | synonyms}),
            "gifts": {"type": "integer", "minimum": schema.FEWEST_GIFTS},
            "currency": CURRENCY,
            "loaded_at": TIME,
            "limits": object_of(dict.fromkeys(LIMITS, NUMBER)),
            "most_steps": STEPS,
        }
    )


def health_reply() -> Schema:
    """Schema of the reply of /health."""
    always = {"status": {"enum": ["ok", "failing"]}, "model": TEXT, "sha256": DIGEST, "loaded_at": TIME}
    sometimes = {"refused": TEXT, "reason": TEXT, "seconds_since_look": NUMBER}
    return object_of(always | sometimes, optional=sometimes)


def reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}
