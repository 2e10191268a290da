"""The gifts of a catalogue, prepared once for a model."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any

import numpy as np

from trm_np.autograd import no_grad
from trm_np.data.encode import encode_gifts
from trm_np.data.records import Gift
from trm_np.data.tables import MISSING, Bools, Floats, GiftTable, Ints, gift_table, implied_categories
from trm_np.model.cost import cost_of
from trm_np.model.trm import EncodedGifts
from trm_np.recommend.common_sense import Facts, Signature, facts
from trm_np.storage.checkpoint import StoredModel
from trm_np.world.tools import catalogue_star_shares

BYTES_OF_A_CELL = 2**15


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The G gifts that may be recommended, and what the model, the rules and the tools need to know of them.

    Of gifts that differ only in their id, the first is kept; `known_ids` has its id for each of theirs, and `place` its
    place among the gifts. `implied` are the categories that each hobby implies, and `rows` (G,) the rows of the
    gifts in the model's experience. One profile takes `cells` of the model's memory (outputs.py). `signatures` has
    those of the gifts that have come up so far, by place: a few of a large catalogue.
    """

    gifts: tuple[Gift, ...]
    known_ids: dict[str, str]
    place: dict[str, int]
    table: GiftTable
    star_shares: Floats
    facts: Facts
    implied: Bools
    encoded: EncodedGifts
    rows: Ints
    cells: int
    signatures: dict[int, Signature] = field(default_factory=dict)


def prepared(stored: StoredModel) -> Catalogue:
    """The catalogue of the gifts that are stored with the model."""
    first = first_of_doubles(stored.gifts)
    gifts = tuple(dict.fromkeys(first.values()))
    known_ids = {id: gift.id for id, gift in first.items()}
    places = {gift.id: place for place, gift in enumerate(gifts)}
    table = gift_table(gifts, stored.vocabulary)
    each = cost_of(stored.config.model, stored.vocabulary, len(gifts)).each
    return Catalogue(
        gifts=gifts,
        known_ids=known_ids,
        place={id: places[known] for id, known in known_ids.items()},
        table=table,
        star_shares=catalogue_star_shares(gifts),
        facts=facts(gifts),
        implied=implied_categories(table, stored.vocabulary),
        encoded=encoded_by(stored, table),
        rows=np.array([stored.experience.get(gift.id, MISSING) for gift in gifts]),
        cells=max(len(gifts), each // BYTES_OF_A_CELL),
    )


def encoded_by(stored: StoredModel, table: GiftTable) -> EncodedGifts:
    """The gifts of a table as the model encodes them."""
    model = stored.model
    with no_grad():
        return model.encode_gifts(encode_gifts(table, stored.vocabulary, model.gift_features))


def first_of_doubles(gifts: Sequence[Gift]) -> dict[str, Gift]:
    """For each id, in order, the first gift that equals that gift in everything but the id."""
    everything_else = attrgetter(*(each.name for each in fields(Gift) if each.name != "id"))
    first: dict[Any, Gift] = {}
    return {gift.id: first.setdefault(everything_else(gift), gift) for gift in gifts}
