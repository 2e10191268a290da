"""The answers that `deploy.py` compares: from encoded profiles to categories, tools and the reward of each gift."""

from collections.abc import Callable
from typing import Any

import numpy as np

from trm_np import Recommender
from trm_np.autograd import no_grad
from trm_np.data.encode import ProfileInputs

Arrays = dict[str, Any]


@no_grad()
def numpy_answer(recommender: Recommender, inputs: ProfileInputs) -> Arrays:
    """Ours, on the catalogue that was encoded when the model was loaded."""
    model, gifts = recommender.stored.model, recommender.encoded
    h, steps = model.answer(inputs)
    person = model.read_person(h, inputs)
    components, reward = model.judge_gifts(model.meet_gifts(person, gifts), gifts)
    return {
        "category_logits": person.category_logits.data,
        "tool_logits": person.tool_logits.data,
        "components": components.data,
        "reward": reward.data,
        "steps": steps,
    }


def onnx_answer(file: str, inputs: ProfileInputs, gifts: int) -> Callable[[], Arrays]:
    """That of an exported graph on one thread; it encodes its gifts each time."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    given = {each.name: getattr(inputs, each.name) for each in session.get_inputs() if each.name != "picked"}
    given["picked"] = np.zeros((len(inputs.tokens), gifts), np.bool_)
    return lambda: dict(zip(names, session.run(names, given), strict=True))
