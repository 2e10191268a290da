#!/usr/bin/env python3
"""Time a rival from the start of its process to the first recommendation: the best gifts for one profile.

python benchmarks/first_answer.py 'torch eager' MODEL WEIGHTS.safetensors
python benchmarks/first_answer.py onnxruntime MODEL GRAPH.onnx

It uses our code to read everything but the weights from MODEL, and to encode the profile. It runs no tools. `deploy.py`
runs this script.
"""

import sys
from pathlib import Path
from typing import Any

sys.path.extend(
    str(folder) for folder in (Path(__file__).resolve().parent, Path(__file__).resolve().parent.parent)
)

PERSON: dict[str, Any] = {
    "age": 34,
    "hobbies": ["cooking", "travel"],
    "relationship": "friend",
    "budget": 120,
    "occasion": "birthday",
    "preferences": ["practical"],
}


def main(rival: str, model: str, file: str) -> None:
    from trm_np.data.encode import encode_gifts, encode_profiles
    from trm_np.data.load import profile_from
    from trm_np.data.tables import gift_table, profile_table
    from trm_np.storage.checkpoint import load_model

    stored = load_model(model)
    vocabulary = stored.vocabulary
    profile = profile_from(PERSON)
    inputs = encode_profiles(profile_table([profile], vocabulary), vocabulary)
    gifts = encode_gifts(gift_table(stored.gifts, vocabulary), vocabulary, stored.model.gift_features)
    if rival == "onnxruntime":
        from on_onnxruntime import onnx_answer

        reward = onnx_answer(file, inputs, len(stored.gifts))()["reward"]
    else:
        reward = torch_reward(file, stored.config, vocabulary, inputs, gifts)
    for place in (-reward[0]).argsort(kind="stable")[:3]:
        print(f"{reward[0, place]:.2f}  {stored.gifts[place].name}")


def torch_reward(file: str, config: Any, vocabulary: Any, inputs: Any, gifts: Any) -> Any:
    import torch
    from mirrors.torch_mirror import TorchRecommender
    from safetensors.torch import load_file

    torch.set_num_threads(1)
    model = TorchRecommender(config, vocabulary, load_file(file))
    model.encode(gifts)
    return model.answer(model.prepare_profiles(inputs))["reward"]


if __name__ == "__main__":
    main(*sys.argv[1:])
