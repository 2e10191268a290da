"""Explain one gift for one profile: its rank, its components, and what each field of the profile adds."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from trm_np.data.lenient import CheckedProfile
from trm_np.data.records import Profile
from trm_np.data.spelling import closest
from trm_np.data.tables import portions
from trm_np.recommend.catalogue import Catalogue
from trm_np.recommend.common_sense import kept_out, possible
from trm_np.recommend.outputs import CELLS, outputs_for
from trm_np.recommend.reasons import reasons
from trm_np.recommend.recommendation import Explanation
from trm_np.recommend.selection import by_component, excluded
from trm_np.recommend.terms import Terms
from trm_np.storage.checkpoint import StoredModel
from trm_np.text import shown
from trm_np.world.reward import list_components


def explained(
    stored: StoredModel, catalogue: Catalogue, checked: CheckedProfile, gift: str, terms: Terms
) -> Explanation:
    """Explain the gift with this id; raises ModelError, and ValueError if no gift has this id."""
    place = place_of(catalogue, gift)
    profile, warnings, notes = checked
    facts = catalogue.facts
    kept = kept_out(facts, profile, facts.paid, excluded(catalogue, profile, terms), terms)
    if possible(kept).nothing_fits:
        del kept["over_budget"]
    outputs = outputs_for(stored, catalogue, [profile])
    row = list_components(outputs.table, catalogue.table.take([place]), catalogue.implied)[0]
    components, currency = by_component(row), stored.vocabulary.money.currency
    return Explanation(
        profile=profile,
        currency=currency,
        gift=catalogue.gifts[place],
        predicted_reward=float(outputs.reward[0, place]),
        rank=1 + int((outputs.value[0] > outputs.value[0, place]).sum()),
        components=components,
        influence=influence(stored, catalogue, profile, place, float(outputs.reward[0, place])),
        reasons=reasons(catalogue.gifts[place], profile, components, {}, 0, terms.days_left, currency),
        kept_out_by=tuple(rule for rule, marks in kept.items() if marks[place]),
        warnings=warnings,
        notes=notes,
    )


def place_of(catalogue: Catalogue, gift: str) -> int:
    """Raises ValueError, with the closest id, for an id that no gift has."""
    ids = catalogue.table.ids
    if gift not in ids:
        close = closest(gift, ids)
        hint = f"; did you mean {shown(close)}?" if close else ""
        raise ValueError(f"no gift has the id {shown(gift)}{hint}")
    return ids.index(gift)


def influence(
    stored: StoredModel, catalogue: Catalogue, profile: Profile, place: int, reward: float
) -> dict[str, float]:
    """The predicted reward of a gift, less its reward without each value of the profile, the greatest first."""
    without = dict(without_one_value(profile))
    profiles = list(without.values())
    rewards = [
        other
        for rows in portions(len(profiles), catalogue.cells, CELLS)
        for other in outputs_for(stored, catalogue, profiles[rows]).reward[:, place].tolist()
    ]
    found = {name: reward - other for name, other in zip(without, rewards, strict=True)}
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))


def without_one_value(profile: Profile) -> Iterator[tuple[str, Profile]]:
    """Each value of the profile, as `budget: 120` or `hobbies: art`, and the profile without it.

    The history has no part in the predicted reward.
    """
    for field, value in vars(replace(profile, history=())).items():
        given = value if isinstance(value, tuple) else () if value is None else (value,)
        for item in given:
            rest: Any = tuple(other for other in given if other != item) if isinstance(value, tuple) else None
            shown_item = f"{item:g}" if isinstance(item, float) else item
            yield f"{field}: {shown_item}", replace(profile, **{field: rest})
