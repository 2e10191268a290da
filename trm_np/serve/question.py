"""Parameters and body of a request, and the limits on both."""

from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from trm_np.data import schema
from trm_np.data.problems import DataError, Place, Problem
from trm_np.data.records import Profile
from trm_np.data.strict_json import RepeatedKeys, parse_json
from trm_np.recommend.terms import ALLOWABLE, Terms
from trm_np.serve.http import JSON, HTTPError
from trm_np.text import shown

BODY_BYTES = 2**20
PROFILES = 1000
GIFTS = 100_000  # in all answers to one request
SECONDS = 10.0  # for one request
NAME_CHARACTERS = 1000  # in a name: a search for similar names takes time
LIMITS = {
    "body_bytes": BODY_BYTES,
    "profiles": PROFILES,
    "gifts": GIFTS,
    "seconds": SECONDS,
    "names": schema.MOST_INTERESTS,
    "history": schema.MOST_CHOICES,
    "name_characters": NAME_CHARACTERS,
}

MOST_DAYS = 36_500
BODY_ALLOWED = f"a profile in JSON, or a list of 1 to {PROFILES:,} of them"
PROFILE_FIELDS = tuple(field.name for field in fields(Profile))


class Question(NamedTuple):
    """Options of a request: the terms, whether an unknown name is an error, and warnings for each answer."""

    terms: Terms = Terms()
    strict: bool = False
    warnings: tuple[str, ...] = ()


@schema.keeps(type="boolean")
def truth(value: object, at: Place) -> Iterator[Problem]:
    if not isinstance(value, bool):
        yield at.problem(shown(value), "true or false")


PARAMETERS = {
    "k": schema.integer(1, GIFTS),
    "days_left": schema.integer(0, MOST_DAYS),
    "strict": truth,
    "allow": schema.list_of(schema.name(ALLOWABLE)),
    "any_age": truth,
    "exclude": schema.list_of(schema.string),
}
NEW_NAMES = {"top": "k", "days": "days_left"}  # the old ones are accepted until version 0.2
LISTED = ("allow", "exclude")  # with commas between the names
check_parameters = schema.record(PARAMETERS, optional=tuple(PARAMETERS))


def read_question(query: str) -> Question:
    """The question that a query string asks; raises HTTPError."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        allowed = ", ".join(PARAMETERS)
        raise HTTPError(400, f"query: found text that is not UTF-8; allowed: {allowed}") from None
    named = [(NEW_NAMES.get(name, name), text) for name, text in pairs]
    given = RepeatedKeys([(name, parameter_value(name, text)) for name, text in named])
    problems = list(check_parameters(given, Place("query")))
    if problems:
        raise HTTPError(400, str(DataError(problems)))
    options: dict[str, Any] = dict(given)
    strict = options.pop("strict", False)
    return Question(Terms(**options), strict, tuple(renamed(name for name, _ in pairs)))


def renamed(names: Iterable[str]) -> Iterator[str]:
    """A warning for each old name."""
    for name in names:
        if name in NEW_NAMES:
            yield f"{name} is now {NEW_NAMES[name]}; the old name works until version 0.2"


def parameter_value(name: str, text: str) -> object:
    """A number, a truth value or a list where the text is one, as it would be in JSON."""
    if name in LISTED:
        return [part.strip() for part in text.split(",") if part.strip()]
    if text.isascii() and text.isdigit() and len(text) < 10:
        return int(text)
    return {"true": True, "false": False}.get(text, text)


def require_few(profiles: int, k: int) -> None:
    """Raise HTTPError for more gifts than one request is answered with."""
    if profiles * k > GIFTS:
        found = f"{profiles * k:,} gifts, for {profiles:,} profiles"
        raise HTTPError(413, f"body: found {found}; allowed: at most {GIFTS:,} in all answers")


def read_profiles(environ: dict[str, Any]) -> tuple[list[Any], bool]:
    """The JSON values of the profiles in the body of a request, and whether it is a list of them.

    Raises HTTPError.
    """
    require_json(environ)
    try:
        value = parse_json(read_body(environ), "body")
    except DataError as error:
        raise HTTPError(400, str(error)) from None
    if not isinstance(value, list):
        return [value], False
    if not value:
        raise HTTPError(422, f"body: found a list of 0; allowed: {BODY_ALLOWED}")
    if len(value) > PROFILES:
        raise HTTPError(413, f"body: found a list of {len(value):,}; allowed: {BODY_ALLOWED}")
    return value, True


def require_json(environ: dict[str, Any]) -> None:
    """Raise HTTPError unless the body is declared as plain JSON in UTF-8."""
    found, *parameters = "".join(environ.get("CONTENT_TYPE", "").lower().split()).split(";")
    charset = dict(part.partition("=")[::2] for part in parameters).get("charset", "utf-8")
    if found != JSON or charset.strip('"') not in ("utf-8", "utf8", "us-ascii", "ascii"):
        declared = shown(environ.get("CONTENT_TYPE", ""))
        raise HTTPError(415, f"Content-Type: found {declared}; allowed: {JSON}, in UTF-8")
    coding = environ.get("HTTP_CONTENT_ENCODING", "")
    if coding.strip().lower() not in ("", "identity"):
        raise HTTPError(415, f"Content-Encoding: found {shown(coding)}; allowed: identity")


def read_body(environ: dict[str, Any]) -> bytes:
    """All of a body of at most BODY_BYTES; raises HTTPError."""
    stated = environ.get("CONTENT_LENGTH", "")
    too_large = f"allowed: at most {BODY_BYTES:,} bytes"
    if stated and not (stated.isascii() and stated.isdigit()):
        raise HTTPError(400, f"Content-Length: found {shown(stated)}; allowed: a number of bytes")
    if stated and environ.get("HTTP_TRANSFER_ENCODING"):
        raise HTTPError(400, "Content-Length: found Transfer-Encoding too; allowed: one of them")
    if not stated and not environ.get("wsgi.input_terminated"):
        raise HTTPError(411, "Content-Length: found none; allowed: a number of bytes")
    if stated and (len(stated) > 20 or int(stated) > BODY_BYTES):
        raise HTTPError(413, f"body: found {shown_bytes(stated)}; {too_large}")
    length = int(stated) if stated else BODY_BYTES + 1
    whole = f"{length:,}, as Content-Length says" if stated else "all to the end"
    try:
        body: bytes = environ["wsgi.input"].read(length)
    except OSError:
        raise HTTPError(400, f"body: found fewer bytes; allowed: {whole}") from None
    if len(body) > BODY_BYTES:
        raise HTTPError(413, f"body: found more; {too_large}")
    if stated and len(body) < length:
        raise HTTPError(400, f"body: found {len(body):,} bytes; allowed: {whole}")
    if not body:
        raise HTTPError(400, f"body: found nothing; allowed: {BODY_ALLOWED}")
    return body


def shown_bytes(digits: str) -> str:
    return f"{int(digits):,} bytes" if len(digits) <= 20 else "a number of more than 20 digits"


def word(names: tuple[str, ...]) -> schema.Check:
    """Check of a word of a profile, which stands for one of these names, or for none."""
    description = (
        "A name of the vocabulary in any spelling, or a word of its synonyms."
        if names
        else "The id of a gift that the person has already."
    )

    @schema.keeps(type="string", maxLength=NAME_CHARACTERS, description=description, examples=list(names))
    def check(value: object, at: Place) -> Iterator[Problem]:
        if isinstance(value, str) and len(value) > NAME_CHARACTERS:
            allowed = f"at most {NAME_CHARACTERS:,} characters"
            yield at.problem(f"a name of {len(value):,} characters", allowed)

    return check


def require_modest(value: object, place: str) -> None:
    """Raise DataError for a profile with longer names than any has; anything else passes."""
    at, check = Place("body", place), word(())
    given = value if isinstance(value, dict) else {}
    for field in PROFILE_FIELDS:
        item = given.get(field)
        for name in item if isinstance(item, list) else [item]:
            if problems := list(check(name, at.key(field))):
                raise DataError(problems)
