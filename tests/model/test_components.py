"""The parts of the model and how they are joined: what each gives, and what must not matter to it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.small_run import SMALL
from trm_np.autograd import Tensor, no_grad
from trm_np.autograd.graph import Node
from trm_np.autograd.ops import Array
from trm_np.autograd.optim import AdamW
from trm_np.config import resolve
from trm_np.data.encode import MASK, PAD, STATE, GiftInputs, ProfileInputs, encode_gifts, encode_profiles
from trm_np.data.load import load_dataset
from trm_np.data.tables import ProfileTable
from trm_np.data.task import task_from
from trm_np.model import trm
from trm_np.model.broadcasting import as_columns, as_rows, fold
from trm_np.model.core import Carry, Core
from trm_np.model.trm import HALT, TRM, Outputs, mean_of_picked, state_vector
from trm_np.model.word_start import as_mean_, linear_layers
from trm_np.puzzles.model import average_

CONFIG = resolve("tiny", settings=SMALL | {"model.supervision_steps": "3"})
TASK = task_from(load_dataset(), CONFIG.model.gift_features)
PROFILES, GIFTS = TASK.test.profiles, TASK.gifts
PER_GIFT = ("components", "reward", "gift_logits", "policy_logits", "gift_scores")


def new_model(cycles: int = CONFIG.model.cycles) -> TRM:
    """A model with nothing silent in it: random weights, in float64, without dropout."""
    config = replace(CONFIG, model=replace(CONFIG.model, cycles=cycles))
    model = TRM(config, TASK.vocabulary, np.random.default_rng(3), np.random.default_rng(0))
    for layer in linear_layers(model.reward_prediction.fusion):  # random ones often keep its few ReLUs shut
        as_mean_(layer)
    model.astype(np.float64)
    model.eval()
    return model


MODEL = new_model()


def profile_inputs(profiles: ProfileTable) -> ProfileInputs:
    return encode_profiles(profiles, TASK.vocabulary)


def gift_inputs(rows: Array) -> GiftInputs:
    return encode_gifts(GIFTS.take(rows), TASK.vocabulary, MODEL.gift_features)


def said(profiles: ProfileTable, gifts: GiftInputs, picked: Array | None = None) -> Outputs:
    """Outputs of the model after one supervision step."""
    with no_grad():
        inputs = profile_inputs(profiles)
        return MODEL.decode(state_vector(MODEL.step(inputs)), inputs, gifts, picked)


def values(outputs: Outputs) -> dict[str, Array]:
    return {field.name: getattr(outputs, field.name).data for field in fields(Outputs)}


def test_it_says_something_else_of_each_profile_and_of_each_gift() -> None:
    for name, value in values(said(PROFILES, TASK.gift_inputs)).items():
        assert (np.ptp(value, axis=0) > 1e-3).any(), name
        if name in PER_GIFT:
            assert (np.ptp(value, axis=1) > 1e-3).any(), name


# -------------------------------------------------------------------------------------------- shapes


@settings(max_examples=15)
@given(st.integers(1, 5), st.integers(1, 9), st.booleans())
def test_every_output_has_its_shape(b: int, g: int, with_picked: bool) -> None:
    picked = np.eye(b, g, dtype=bool) if with_picked else None
    outputs = said(PROFILES.take(np.arange(b)), gift_inputs(np.arange(g)), picked)
    assert {name: value.shape for name, value in values(outputs).items()} == {
        "category_logits": (b, 13),
        "tool_logits": (b, 5),
        "components": (b, g, 7),
        "reward": (b, g),
        "gift_logits": (b, g),
        "policy_logits": (b, g),
        "gift_scores": (b, g),
        "value": (b,),
        "outcome": (b,),
        "slots": (b, CONFIG.model.gift_slots),
        "h": (b, CONFIG.model.core_width),
    }


def test_forward_is_a_step_from_the_carry_and_its_outputs() -> None:
    inputs, gifts, picked = (
        profile_inputs(PROFILES),
        gift_inputs(np.arange(4)),
        np.eye(len(PROFILES), 4, dtype=bool),
    )
    with no_grad():
        first, _ = MODEL(inputs, gifts)
        carry, outputs = MODEL(inputs, gifts, picked, first)
        stepped = MODEL.step(inputs, MODEL.step(inputs))
        expected = MODEL.decode(state_vector(stepped), inputs, gifts, picked)
    assert np.array_equal(carry.y.data, stepped.y.data) and np.array_equal(carry.z.data, stepped.z.data)
    for name, value in values(expected).items():
        assert np.array_equal(getattr(outputs, name).data, value), name


@settings(max_examples=15)
@given(st.integers(1, 5), st.integers(1, 9))
def test_every_component_hands_on_its_shape(b: int, g: int) -> None:
    model = CONFIG.model
    inputs, gifts = profile_inputs(PROFILES.take(np.arange(b))), gift_inputs(np.arange(g))
    carry = MODEL.step(inputs)
    assert carry.y.shape == carry.z.shape == (*inputs.tokens.shape, model.core_width)
    assert MODEL.core.lm_head(carry.y).shape == (*inputs.tokens.shape, model.core_tokens)
    h = state_vector(carry)
    assert (h.shape, MODEL.core.halt_head(h).shape) == ((b, model.core_width), (b, 2))

    user = MODEL.user_profiling(inputs)
    assert {name: part.shape for name, part in user._asdict().items()} == {
        "u": (b, model.user_width),
        "hobby": (b, model.hobby_width),
        "occasion": (b, model.occasion_width),
        "age": (b, model.scalar_width),
        "budget": (b, model.scalar_width),
    }
    words = MODEL.core.embed(inputs.tokens[:, 1:])
    tool_logits, tool_parameters = MODEL.tool_selection(user.u, h, words, inputs.padding[:, 1:])
    assert (tool_logits.shape, tool_parameters.shape) == ((b, 5), (b, model.tool_width))
    gift = MODEL.gift_catalogue(gifts)
    assert gift.shape == (g, model.user_width)
    slots = MODEL.cross_modal_fusion(user.u, h, gift, tool_parameters)
    assert slots.shape == MODEL.decision_heads.policy(h).shape == (b, model.gift_slots)
    state = MODEL.decision_heads.state_encoder(Tensor(inputs.state))
    tokens = MODEL.decision_heads.gift_token_encoder(Tensor(gifts.token_features))
    assert (state.shape, tokens.shape) == ((b, model.core_width), (g, model.core_width))


# --------------------------------------------------------------------------------------------- pieces


def test_folding_adds_the_pieces() -> None:
    h = Tensor(np.array([[1.0, 2, 30, 40, 500, 600], [0, 1, 0, 1, 0, 1]]))
    assert fold(h, 2).data.tolist() == [[531, 642], [0, 3]]
    assert fold(h, 3).data.tolist() == [[41, 502, 630], [1, 1, 1]]
    assert fold(h, 6) is h


@given(st.lists(st.integers(1, 3), max_size=3), st.integers(1, 4), st.integers(1, 4), st.integers(0, 99))
def test_each_of_many_vectors_is_folded_by_itself(
    lead: list[int], width: int, pieces: int, seed: int
) -> None:
    h = np.random.default_rng(seed).normal(size=(*lead, pieces * width))
    folded = fold(Tensor(h), width).data
    assert folded.shape == (*lead, width)
    for place in np.ndindex(*lead):
        expected = sum(np.split(h[place], pieces))
        np.testing.assert_allclose(folded[place], expected, atol=1e-12)


def test_profiles_are_rows_and_gifts_are_columns() -> None:
    profiles, gifts = Tensor(np.array([[1.0], [2]])), Tensor(np.array([[10.0], [20], [30]]))
    assert (as_rows(profiles) + as_columns(gifts)).data[..., 0].tolist() == [[11, 21, 31], [12, 22, 32]]


def test_the_gifts_picked_are_known_by_their_mean() -> None:
    gift = Tensor(np.array([[1.0, 2], [3, 4], [5, 8]]))
    picked = np.array([[False, False, False], [True, False, True], [False, True, False]])
    assert mean_of_picked(picked, gift, 3).data.tolist() == [[0, 0], [3, 5], [3, 4]]
    assert mean_of_picked(None, gift, 3).data.tolist() == [[0, 0]] * 3


# ------------------------------------------------------------------------------- what must not matter


@settings(max_examples=15)
@given(st.permutations(range(len(GIFTS))))
def test_gifts_in_another_order_are_judged_alike(order: list[int]) -> None:
    profiles, rows = PROFILES.take(np.arange(4)), np.arange(len(GIFTS))
    picked = np.isin(rows, [2, 11]) & np.array([[True], [True], [False], [False]])
    before = values(said(profiles, gift_inputs(rows), picked))
    after = values(said(profiles, gift_inputs(np.array(order)), picked[:, order]))
    for name, value in before.items():
        expected = value[:, order] if name in PER_GIFT else value
        np.testing.assert_allclose(after[name], expected, rtol=1e-9, atol=1e-9, err_msg=name)


def test_a_gift_is_scored_by_what_it_is_whatever_else_there_is() -> None:
    slots = Tensor(np.random.default_rng(0).normal(size=(4, CONFIG.model.gift_slots)))
    catalogue = MODEL.gift_catalogue
    everything = catalogue.gift_logits(slots, catalogue(gift_inputs(np.arange(45)))).data
    few = catalogue.gift_logits(slots, catalogue(gift_inputs(np.array([40, 7, 40])))).data
    np.testing.assert_allclose(few, everything[:, [40, 7, 40]], rtol=1e-9)
    assert len(np.unique(everything[0])) == 45


@pytest.mark.parametrize("list_name", ["hobbies", "preferences"])
def test_room_for_longer_lists_changes_nothing(list_name: str) -> None:
    given_room = getattr(PROFILES, list_name)
    wider = np.concatenate([given_room, np.full((len(PROFILES), 4), -1)], axis=1)
    before = values(said(PROFILES, TASK.gift_inputs))
    after = values(said(replace(PROFILES, **{list_name: wider}), TASK.gift_inputs))
    for name, value in before.items():
        np.testing.assert_allclose(after[name], value, rtol=1e-9, atol=1e-9, err_msg=name)


def test_the_company_of_other_profiles_changes_nothing() -> None:
    together = values(said(PROFILES, TASK.gift_inputs))
    for row in range(0, len(PROFILES), 7):
        alone = values(said(PROFILES.take([row]), TASK.gift_inputs))
        for name, value in alone.items():
            np.testing.assert_allclose(together[name][[row]], value, rtol=1e-9, atol=1e-9, err_msg=name)


def test_the_order_of_hobbies_and_preferences_changes_nothing() -> None:
    rng = np.random.default_rng(1)
    shuffled = replace(
        PROFILES,
        hobbies=rng.permuted(PROFILES.hobbies, axis=1),
        preferences=rng.permuted(PROFILES.preferences, axis=1),
    )
    full = (PROFILES.hobbies >= 0).all(axis=1) & (PROFILES.preferences >= 0).all(axis=1)
    first, second = PROFILES.take(full), shuffled.take(full)
    assert (first.hobbies != second.hobbies).any() and (first.preferences != second.preferences).any()
    before, after = (values(said(profiles, TASK.gift_inputs)) for profiles in (first, second))
    for name, value in before.items():
        np.testing.assert_allclose(after[name], value, rtol=1e-9, atol=1e-9, err_msg=name)


def test_gifts_picked_change_the_diversity_and_through_it_the_reward_alone() -> None:
    picked = np.zeros((len(PROFILES), len(GIFTS)), bool)
    picked[1::2, [3, 8]] = True  # every other list is empty
    before, after = (values(said(PROFILES, TASK.gift_inputs, marks)) for marks in (None, picked))
    for name in set(before) - {"components", "reward"}:
        np.testing.assert_array_equal(before[name], after[name], err_msg=name)
    np.testing.assert_array_equal(before["components"][..., :6], after["components"][..., :6])
    for name, changed in {
        "components": before["components"][..., 6] != after["components"][..., 6],
        "reward": before["reward"] != after["reward"],
    }.items():
        assert not changed[::2].any(), name
        assert changed[1::2].any(axis=1).all(), name


@pytest.mark.parametrize(("token", "votes"), [(MASK, True), (PAD, False), (STATE, False)])
def test_a_missing_field_votes_for_tools_but_not_an_empty_place_nor_the_state(
    token: int, votes: bool
) -> None:
    model, inputs = new_model(), profile_inputs(PROFILES)
    u, h = (
        Tensor(np.ones((len(PROFILES), width)))
        for width in (CONFIG.model.user_width, CONFIG.model.core_width)
    )
    with no_grad():
        before = model.select_tools(u, h, inputs)[0].data
        model.core.token_embedding.weight.data[token] *= -1
        after = model.select_tools(u, h, inputs)[0].data
    has_it = (inputs.tokens == token).any(axis=1)
    assert has_it.any()
    assert (before != after).any(axis=1).tolist() == (has_it & votes).tolist()


# ------------------------------------------------------------------------------------------- thinking


def halting_model() -> TRM:
    """One that takes about half of the profiles to be answered after the first step."""
    model = new_model()
    head = model.core.halt_head
    assert head.bias is not None
    with no_grad():
        go_on, halt = head(state_vector(model.step(profile_inputs(PROFILES)))).data.T
    head.bias.data[HALT] += np.median(go_on - halt)
    return model


def test_a_profile_is_answered_at_the_step_where_it_halts_whatever_the_others_do() -> None:
    model = halting_model()
    answer, steps = model.infer(profile_inputs(PROFILES))
    assert steps.min() == 1 and steps.max() > 1
    for row in range(len(PROFILES)):
        inputs = profile_inputs(PROFILES.take([row]))
        carry, count, halted = None, 0, False
        while count < 3 and not halted:
            with no_grad():
                carry = model.step(inputs, carry)
                go_on, halt = model.core.halt_head(state_vector(carry)).data[0]
            count, halted = count + 1, halt > go_on
        assert carry is not None
        np.testing.assert_allclose(answer.data[row], state_vector(carry).data[0], rtol=1e-5, atol=1e-5)
        h, alone = model.infer(inputs)
        assert alone.tolist() == [count] == [steps[row]]
        np.testing.assert_allclose(h.data[0], answer.data[row], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("leaning", "expected"), [(100, 1), (-100, 3)])
def test_thinking_ends_at_once_or_at_the_last_step(
    monkeypatch: pytest.MonkeyPatch, leaning: float, expected: int
) -> None:
    model = new_model()
    assert model.core.halt_head.bias is not None
    model.core.halt_head.bias.data[HALT] = leaning
    thoughts: list[Carry] = []
    think = model.core.forward
    monkeypatch.setattr(model.core, "forward", lambda *given: thoughts.append(think(*given)) or thoughts[-1])
    _, steps = model.infer(profile_inputs(PROFILES))
    assert steps.tolist() == [expected] * len(PROFILES)
    assert len(thoughts) == expected  # no step is taken that nobody waits for


def optimized(model: TRM) -> None:
    optimizer = AdamW(model.core.parameters(), lr=0.1)
    (model.step(profile_inputs(PROFILES)).y ** 2).sum().backward()
    optimizer.step()


def replaced(model: TRM) -> None:
    for parameter in model.core.parameters():
        parameter.data = -parameter.data


def written(model: TRM) -> None:
    for parameter in model.core.parameters():
        parameter.data[...] *= 1.1


WRITERS = {
    "step": optimized,
    "load_state_dict": lambda model: model.load_state_dict({k: -v for k, v in model.state_dict().items()}),
    "copy_": lambda model: [each.copy_(-each.data) for each in model.parameters()],
    "another array": replaced,
    "in the array": written,
    "average_": lambda model: average_(model.core, Core(CONFIG.model, 72, np.random.default_rng(9)), 0.5),
    "astype": lambda model: model.astype(np.float32),
    "train": lambda model: optimized(model.train()),
    "layout": lambda model: model.core.lay_out_for_inference(),
}


@pytest.mark.parametrize("laid_out", [False, True])
@pytest.mark.parametrize("writer", WRITERS)
def test_an_answer_reads_the_weights_as_they_are_now(writer: str, laid_out: bool) -> None:
    model, inputs = new_model(), profile_inputs(PROFILES)
    if laid_out:
        model.core.lay_out_for_inference()
        assert all(parameter.data.flags.f_contiguous for parameter in model.core.blocks.parameters())
    before, _ = model.infer(inputs)
    WRITERS[writer](model)
    found, _ = model.infer(inputs)
    other = new_model()
    other.load_state_dict(model.state_dict())
    expected, _ = other.infer(inputs)
    tolerance = 1e-5 if found.dtype == np.float32 else 1e-9
    np.testing.assert_allclose(found.data, expected.data, rtol=tolerance, atol=tolerance)
    assert writer in ("layout", "astype") or not np.allclose(found.data, before.data, atol=1e-3)


def test_threads_that_answer_at_once_answer_as_alone() -> None:
    profiles = [profile_inputs(PROFILES.take(np.arange(row, row + 3))) for row in range(8)]
    alone = [MODEL.infer(each)[0].data for each in profiles]
    with ThreadPoolExecutor(4) as executor:
        together = list(executor.map(lambda row: MODEL.infer(profiles[row % 8])[0].data, range(80)))
    assert all((h == alone[row % 8]).all() for row, h in enumerate(together))


@given(st.permutations(range(10)), st.integers(1, 4))
def test_profiles_answer_in_groups_in_their_own_order(rows: list[int], size: int) -> None:
    inputs = profile_inputs(PROFILES.take(np.array(rows)))
    expected, expected_steps = MODEL.infer(inputs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trm, "GROUP", size)
        found, steps = MODEL.infer(inputs)
    np.testing.assert_allclose(found.data, expected.data, rtol=1e-9, atol=1e-9)
    assert steps.tolist() == expected_steps.tolist()


def test_an_answer_keeps_no_graph() -> None:
    h, _ = MODEL.infer(profile_inputs(PROFILES))
    assert not h.requires_grad


def nodes_below(end: Node) -> set[Node]:
    found, pending = {end}, [end]
    while pending:
        new = {parent for parent in pending.pop().parents if parent is not None} - found
        found |= new
        pending += new
    return found


def test_only_the_last_cycle_is_in_the_graph() -> None:
    inputs = profile_inputs(PROFILES.take([0]))
    sizes, answers = [], []
    for cycles in (1, 2, 3):
        carry = new_model(cycles).step(inputs)
        assert carry.y._node is not None
        sizes.append(len(nodes_below(carry.y._node)))
        answers.append(carry.y.data)
    assert sizes[0] == sizes[1] == sizes[2]
    assert not np.allclose(answers[0], answers[1]) and not np.allclose(answers[1], answers[2])


def test_a_detached_carry_is_the_same_without_a_graph() -> None:
    carry = MODEL.step(profile_inputs(PROFILES))
    detached = carry.detach()
    for part in ("y", "z"):
        before, after = getattr(carry, part), getattr(detached, part)
        assert before.requires_grad and not after.requires_grad
        np.testing.assert_array_equal(before.data, after.data)


@pytest.mark.parametrize(("asked", "rows"), [(66, 67), (70, 70)])
def test_the_token_table_grows_with_the_vocabulary(asked: int, rows: int) -> None:
    config = replace(CONFIG, model=replace(CONFIG.model, core_tokens=asked))
    model = TRM(config, TASK.vocabulary, np.random.default_rng(0), np.random.default_rng(0))
    assert len(model.core.token_embedding.weight) == len(model.core.lm_head.weight) == rows
