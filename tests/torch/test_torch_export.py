"""Exported weights load into the same model in PyTorch as they are, and it says what ours says."""

from pathlib import Path

import numpy as np
import pytest

from tests.recommend.stored_models import trained
from trm_np.autograd import no_grad
from trm_np.data.load import load_dataset
from trm_np.data.task import Task, task_from
from trm_np.evaluation.predict import infer_profiles
from trm_np.export.onnx_file import our_outputs
from trm_np.export.tensors import export_safetensors
from trm_np.storage.checkpoint import StoredModel, load_model, save_checkpoint

torch = pytest.importorskip("torch", reason="needs the torch extra: pip install -e '.[torch]'")
safetensors = pytest.importorskip(
    "safetensors.torch", reason="needs the safetensors extra: pip install -e '.[safetensors]'"
)


@pytest.fixture(scope="module")
def task() -> Task:
    return task_from(load_dataset(), trained().config.model.gift_features)


def stored_in(precision: str, folder: Path) -> StoredModel:
    """The trained model, read from a file of this precision."""
    stored = trained()
    save_checkpoint(folder / "best.npz", "model", stored, {"seed": 0, "metrics": {}}, precision=precision)
    return load_model(folder / "best.npz")


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_the_model_in_pytorch_takes_the_weights_and_gives_the_same_answers(
    precision: str, task: Task, tmp_path: Path
) -> None:
    from benchmarks.mirrors.torch_mirror import TorchRecommender

    stored = stored_in(precision, tmp_path)
    export_safetensors(stored, tmp_path / "gifts.safetensors")
    weights = safetensors.load_file(tmp_path / "gifts.safetensors")
    other = TorchRecommender(stored.config, stored.vocabulary, weights)  # which takes no more and no fewer

    other.encode(task.gift_inputs)
    inputs, _ = infer_profiles(stored.model, task.test.profiles, task)
    theirs = other.answer(other.prepare_profiles(inputs))
    with no_grad():
        gifts = stored.model.encode_gifts(task.gift_inputs)
    for name, ours in our_outputs(stored.model, inputs, gifts).items():
        tolerance = 1e-5 * np.abs(ours).max()
        np.testing.assert_allclose(theirs[name], ours, rtol=0, atol=tolerance, err_msg=name)
