"""`trm export`: a stored model in another form."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trm_np.cli.errors import DATA_REFUSED, OneLine, Refusal, refusals, report
from trm_np.cli.options import FILE, as_json, path_option, trust
from trm_np.cli.output import require_target
from trm_np.cli.threads import is_large, use_threads

if TYPE_CHECKING:
    from trm_np.storage.checkpoint import StoredModel

PRECISIONS = {"half": "float16", "int8": "int8"}
ENDINGS = {
    "half": "-half.npz",
    "int8": "-int8.npz",
    "onnx": ".onnx",
    "safetensors": ".safetensors",
    "zipapp": ".pyz",
}  # in place of that of MODEL


@click.command(
    cls=OneLine,
    help="""Convert a stored MODEL to another form.

    Give one of --half, --int8, --safetensors, --onnx and --zipapp.

    For --half and --int8, the command measures the loss of quality on held-out scenarios and prints it. All commands
    read such files. An ONNX graph is written only if its outputs in onnxruntime equal those of this program.

    \b
    Example: trm export checkpoints/integrated_enhanced/best.npz --int8 --out small.npz
    """,
)
@click.argument("model", type=FILE)
@click.option("--half", is_flag=True, help="Model file with float16 weights, half as large.")
@click.option("--int8", is_flag=True, help="Model file with 8-bit integer weights, a quarter as large.")
@click.option("--safetensors", is_flag=True, help="Weights for PyTorch (extra: safetensors).")
@click.option("--onnx", is_flag=True, help="Inference graph for other runtimes (extra: onnx).")
@click.option(
    "--zipapp", is_flag=True, help="Program in one file, model included, for any Python with NumPy."
)
@path_option(
    "--out",
    help="Output file. A link is followed, and an existing file keeps its permissions.  "
    "[default: beside MODEL, named after it]",
)
@path_option("--held-out", help="Held-out scenarios for --half and --int8.  [default: the shipped ones]")
@trust
@as_json
def export(
    model: str, out: str | None, held_out: str | None, trust: bool, as_json: bool, **forms: bool
) -> None:
    form = chosen(forms)
    if held_out is not None and form not in PRECISIONS:
        raise click.UsageError(f"--held-out: --{form} changes no metric")
    use_threads(all_cores=is_large(model))
    with refusals():
        from trm_np.export.errors import ExportError
        from trm_np.recommend.recommender import Recommender
        from trm_np.storage.checkpoint import load_model

        stored = load_model(model, trust=trust)
        Recommender(stored).try_out()
        path = Path(out) if out else beside(Path(model), ENDINGS[form])
        require_target(path, *(Path(each) for each in (model, held_out) if each))
        try:
            found, text = exported(stored, Path(model), path, form, held_out)
        except ExportError as error:
            raise Refusal(f"{model}: {error}", DATA_REFUSED) from error
        sizes = {"model": os.path.getsize(model), "exported": os.path.getsize(path)}
        found = {"file": str(path), "form": form, "bytes": sizes, **found}
        lines = f"{path}: {sizes['exported']:,} bytes, made of {sizes['model']:,}\n\n{text}"
        report(found, lines.rstrip(), as_json)


def chosen(forms: Mapping[str, bool]) -> str:
    """The one form that is given; raises UsageError for none, or several."""
    given = [form for form, is_given in forms.items() if is_given]
    if len(given) != 1:
        found = " and ".join(f"--{form}" for form in given) or "none"
        allowed = ", ".join(f"--{form}" for form in forms)
        raise click.UsageError(f"found {found}; allowed: one of {allowed}")
    return given[0]


def beside(model: Path, ending: str) -> Path:
    return model.with_name(model.stem + ending)


def exported(
    stored: "StoredModel", model: Path, path: Path, form: str, held_out: str | None
) -> tuple[dict[str, Any], str]:
    """Write the stored model in this form; its report, as values for JSON and as text."""
    if form == "zipapp":
        from trm_np.export.program import export_program, program_text

        found = export_program(model, path)
        return found, program_text(path)
    if form == "safetensors":
        from trm_np.export.tensors import export_safetensors, tensors_text

        found = export_safetensors(stored, path)
        return found, tensors_text(found)
    if form == "onnx":
        from trm_np.export.onnx_file import differences_text, export_onnx

        found = export_onnx(stored, path)
        return found, differences_text(found)
    from trm_np.export.reduced import export_reduced, losses_text

    found = export_reduced(stored, path, PRECISIONS[form], held_out)
    return found, losses_text(found)
