"""The OpenAPI 3.1 document of the server: what requests may hold, and what answers do hold.

Synonyms count as the names that they stand for, and words that the model does not know as missing: in a request the
vocabulary gives examples, in an answer it is all that can stand there.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from trm_np import __version__
from trm_np.data import schema
from trm_np.data.vocabulary import LISTS, PROFILE_LISTS, Vocabulary
from trm_np.recommend.terms import ALLOWABLE, Terms
from trm_np.serve.http import JSON
from trm_np.serve.metrics import CONTENT_TYPE
from trm_np.serve.question import GIFTS, LIMITS, MOST_DAYS, NAME_CHARACTERS, PROFILES
from trm_np.world.reward import COMPONENTS

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
TEXTS: Schema = {"type": "array", "items": TEXT}
NUMBER: Schema = {"type": "number"}
COUNT: Schema = {"type": "integer", "minimum": 0}
PROBABILITY: Schema = {"type": "number", "minimum": 0, "maximum": 1}
PRICE: Schema = {"type": "number", "minimum": schema.LEAST_MONEY, "maximum": schema.MOST_MONEY}
CURRENCY: Schema = {
    **TEXT,
    "minLength": 1,
    "description": "Currency of all sums, as it is written before them.",
}
DIGEST: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
TIME: Schema = {"type": "string", "format": "date-time"}
AGE: Schema = {"type": "number", "minimum": 0, "maximum": 120}
ERRORS = {
    400: "The query, or the JSON of the body, cannot be read.",
    408: "The body did not arrive in time.",
    411: "The length of the body is missing.",
    413: "The body, or its list, is too large.",
    415: "The body is not declared as JSON in UTF-8.",
    422: "A profile is not allowed; none of them is answered.",
    500: "A bug in the server.",
    503: "The answer would take too long; ask for less, or later.",
}


def document(vocabulary: Vocabulary) -> dict[str, Any]:
    """The document for a model with this vocabulary, but for its `servers`: a request says at what prefix it stands."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "trm_np",
            "version": __version__,
            "description": "Gifts for a person, recommended by a Tiny Recursive Model.",
        },
        "paths": {
            "/recommend": {"post": recommend()},
            "/health": {
                "get": read(
                    "State of the server, and the model that it uses.", {JSON: reference("Health")}, 200, 503
                )
            },
            "/model": {
                "get": read("The model that answers, and its vocabulary.", {JSON: reference("Model")})
            },
            "/metrics": {"get": read("Counters for Prometheus.", {CONTENT_TYPE: TEXT})},
            "/openapi.json": {"get": read("This document.", {JSON: {"type": "object"}})},
            "/": {"get": read("Page with a form for a profile.", {"text/html": TEXT})},
        },
        "components": {
            "schemas": {
                "Profile": profile(vocabulary),
                "Recommendation": recommendation(vocabulary),
                "Model": model(),
                "Health": health(),
                "Error": record({"error": {"type": "string", "pattern": r"^[^\r\n]+$"}}),
            }
        },
    }


def recommend() -> dict[str, Any]:
    """Description of POST /recommend."""
    parameters: dict[str, Schema] = {
        "top": {"type": "integer", "minimum": 1, "maximum": GIFTS, "default": Terms().k},
        "days": {"type": "integer", "minimum": 0, "maximum": MOST_DAYS},
        "strict": {"type": "boolean", "default": False},
        "allow": {"type": "array", "items": {"enum": list(ALLOWABLE)}, "default": []},
        "any_age": {"type": "boolean", "default": False},
        "exclude": {**TEXTS, "default": []},
    }
    meanings = {
        "top": "Number of gifts. If fewer may be given, a warning says why.",
        "days": "Days until the gift is needed. Gifts that would come late are left out.",
        "strict": "Whether an unknown word is an error; otherwise it counts as missing, with a warning. "
        "A synonym is not unknown.",
        "allow": "Rules to ignore: gifts that they rule out may come.",
        "any_age": "Whether gifts for another age are allowed.",
        "exclude": "Ids of gifts to leave out.",
    }
    asked, answered = reference("Profile"), reference("Recommendation")
    size = {"minItems": 1, "maxItems": PROFILES}
    return {
        "operationId": "recommend",
        "summary": "Gifts for one person, or for each of a list of them.",
        "parameters": [
            {
                "name": name,
                "in": "query",
                "description": meanings[name],
                "style": "form",
                "explode": False,
                "schema": parameter,
            }
            for name, parameter in parameters.items()
        ],
        "requestBody": {
            "required": True,
            "content": {JSON: {"schema": {"anyOf": [asked, {"type": "array", "items": asked, **size}]}}},
        },
        "responses": {
            "200": answer(
                "The answer, or one for each in a list.",
                {JSON: {"anyOf": [answered, {"type": "array", "items": answered, **size}]}},
            ),
            **{str(status): answer(why, {JSON: reference("Error")}) for status, why in ERRORS.items()},
        },
    }


def read(summary: str, content: Mapping[str, Schema], *statuses: int) -> dict[str, Any]:
    """Description of a GET that is never refused, with the status 200 or these statuses."""
    responses = {str(status): answer(summary, content) for status in statuses or (200,)}
    return {"summary": summary, "responses": responses}


def answer(description: str, content: Mapping[str, Schema]) -> dict[str, Any]:
    return {"description": description, "content": {kind: {"schema": each} for kind, each in content.items()}}


# --------------------------------------------------------------------------------------- what they hold


def profile(vocabulary: Vocabulary) -> Schema:
    """A profile as it may be asked for."""

    def name(known: Sequence[str]) -> Schema:
        return {
            "type": "string",
            "maxLength": NAME_CHARACTERS,
            "description": "A name of the vocabulary in any spelling, or a word of its synonyms.",
            "examples": list(known),
        }

    def names(known: Sequence[str]) -> Schema:
        return {"type": "array", "items": name(known), "maxItems": schema.MOST_SAID}

    checks = {
        "age": AGE,
        "hobbies": names(vocabulary.hobbies),
        "relationship": name(vocabulary.relationships),
        "budget": PRICE,
        "occasion": name(vocabulary.occasions),
        "preferences": names(vocabulary.preferences),
        "history": {
            "type": "array",
            "items": {"type": "string", "maxLength": NAME_CHARACTERS},
            "maxItems": schema.MOST_CHOICES,
            "description": "Ids of gifts that the person has already.",
        },
    }
    return record({field: or_null(check) for field, check in checks.items()}, optional=checks)


def recommendation(vocabulary: Vocabulary) -> Schema:
    """An answer."""

    def some_of(known: Sequence[str]) -> Schema:
        return {"type": "array", "items": {"enum": list(known)}, "uniqueItems": True}

    read_profile = {
        "age": or_null(AGE),
        "hobbies": some_of(vocabulary.hobbies),
        "relationship": {"enum": [*vocabulary.relationships, None]},
        "budget": or_null(PRICE),
        "occasion": {"enum": [*vocabulary.occasions, None]},
        "preferences": some_of(vocabulary.preferences),
        "history": {**TEXTS, "uniqueItems": True},
    }
    gift = {
        "id": TEXT,
        "name": TEXT,
        "category": {"enum": list(vocabulary.categories)},
        "price": or_null(PRICE),
        "paid": or_null(PRICE),
        "offer": or_null(record({"seller": TEXT, "price": PRICE, "shipping_days": COUNT})),
        "predicted_reward": {**NUMBER, "description": "The model's guess; it never rises down a list."},
        "components": {
            **record(dict.fromkeys(COMPONENTS, PROBABILITY)),
            "description": "Components of the true reward, computed by rule, given the gifts before it.",
        },
        "reasons": {**TEXTS, "minItems": 1},
    }
    tool = {
        "name": {"enum": list(vocabulary.tools)},
        "probability": PROBABILITY,
        "found": TEXT,
        "data": {"type": "object"},
    }
    return record(
        {
            "profile": record(read_profile),
            "currency": CURRENCY,
            "gifts": {"type": "array", "items": record(gift), "maxItems": GIFTS},
            "categories": record(dict.fromkeys(vocabulary.categories, PROBABILITY)),
            "tools": {"type": "array", "items": record(tool)},
            "tool_probabilities": record(dict.fromkeys(vocabulary.tools, PROBABILITY)),
            "steps": {"type": "integer", "minimum": 1},
            "most_steps": {"type": "integer", "minimum": 1},
            "warnings": TEXTS,
            "notes": {**TEXTS, "description": "Words of the profile and the names that they counted as."},
        }
    )


def model() -> Schema:
    """Schema of the reply of /model."""
    figures = {"type": "object", "additionalProperties": NUMBER}
    names = {"type": "array", "items": TEXT, "minItems": 1, "uniqueItems": True}
    meanings = {"type": "object", "additionalProperties": TEXT}
    synonyms = {
        **record(dict.fromkeys(PROFILE_LISTS, meanings), optional=PROFILE_LISTS),
        "description": "The name that each synonym stands for, for each list.",
    }
    return record(
        {
            "version": TEXT,
            "preset": TEXT,
            "parameters": COUNT,
            "seed": COUNT,
            "sha256": DIGEST,
            "metrics": {"type": "object", "additionalProperties": figures},
            "vocabulary": record({**dict.fromkeys(LISTS, names), "synonyms": synonyms}),
            "gifts": {"type": "integer", "minimum": schema.FEWEST_GIFTS},
            "currency": CURRENCY,
            "loaded_at": TIME,
            "limits": record(dict.fromkeys(LIMITS, NUMBER)),
            "most_steps": {"type": "integer", "minimum": 1},
        }
    )


def health() -> Schema:
    """Schema of the reply of /health."""
    said = {"status": {"enum": ["ok", "failing"]}, "model": TEXT, "sha256": DIGEST, "loaded_at": TIME}
    more = {"refused": TEXT, "reason": TEXT, "seconds_since_look": NUMBER}
    return record(said | more, optional=tuple(more))


def record(properties: Mapping[str, Schema], optional: Collection[str] = ()) -> Schema:
    """An object with exactly these properties, of which the optional ones may be absent."""
    required = [name for name in properties if name not in optional]
    return {
        "type": "object",
        "properties": dict(properties),
        "required": required,
        "additionalProperties": False,
    }


def or_null(known: Schema) -> Schema:
    return {"anyOf": [known, {"type": "null"}]}


def reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}
