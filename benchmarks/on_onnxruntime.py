"""Run an exported graph on onnxruntime, for `deploy.py` and `first_answer.py`."""

from collections.abc import Callable
from typing import Any

import numpy as np

from trm_np.data.encode import ProfileInputs

Arrays = dict[str, Any]


def onnx_answer(file: str, inputs: ProfileInputs, gifts: int) -> Callable[[], Arrays]:
    """Return a function that computes what `our_outputs` does, on one thread. It encodes the gifts in each call."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    given = {each.name: getattr(inputs, each.name) for each in session.get_inputs() if each.name != "picked"}
    given["picked"] = np.zeros((len(inputs.tokens), gifts), np.bool_)
    return lambda: dict(zip(names, session.run(names, given), strict=True))
