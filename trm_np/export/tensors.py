"""The weights as a safetensors file (extra `[safetensors]`), for PyTorch and other readers of such files.

The names are those of the model, dotted as PyTorch's, and each layer has PyTorch's names, shapes and meaning
(autograd/nn.py): `load_state_dict` of the same model in PyTorch takes them as they are.
"""

import json
from pathlib import Path
from typing import Any

from trm_np.extras import ExtraMissing, needs_extra
from trm_np.storage.checkpoint import StoredModel
from trm_np.storage.files import atomic_write


def export_safetensors(stored: StoredModel, path: Path) -> dict[str, Any]:
    """Write the weights, float32, and as metadata "trm_np" the header of the model file, which is JSON.

    Returns how many tensors and numbers there are. Raises ExtraMissing and WriteError.
    """
    try:
        from safetensors.numpy import save
    except ImportError as error:
        raise ExtraMissing(needs_extra("--safetensors needs", "safetensors")) from error
    weights = stored.model.state_dict()
    metadata = {"trm_np": json.dumps(stored.header)}  # one entry: several would be written in any order
    atomic_write(path, save(weights, metadata))
    return {"tensors": len(weights), "parameters": sum(weight.size for weight in weights.values())}


def tensors_text(found: dict[str, Any]) -> str:
    return f"{found['tensors']} tensors of {found['parameters']:,} numbers, float32, under PyTorch's names"
