"""A drawn graph as a page: its values appear with the operands first, then the gradients from the end."""

from pathlib import Path
from typing import Any

from tests.browser.chromium import press
from trm_np.autograd import Tensor
from trm_np.autograd.drawing import keep_graph

RIGHT = "\ue014"
SEEN = """
const shown = (one) => getComputedStyle(one).visibility === "visible";
const all = (selector) => [...document.querySelectorAll(selector)];
return { said: document.getElementById("said").textContent, last: document.getElementById("step").max,
  boxes: all("[data-box]").filter(shown).map((box) => box.querySelector(".title").textContent),
  gradients: all(".gradient").filter(shown).map((text) => text.parentElement.querySelector(".title").textContent),
  lines: all("[data-to]").filter(shown).length, heads: all(".head").filter(shown).length };
"""


def test_the_slider_goes_forward_and_then_back(chromium: Any, tmp_path: Path) -> None:
    x, w = Tensor([1.0, 2.0], requires_grad=True), Tensor([3.0, 5.0], requires_grad=True)
    with keep_graph():
        loss = (x * w + x).sum()
    loss.backward()
    drawing = loss.draw(x=x, w=w, loss=loss)
    drawing.save(tmp_path / "steps.html")
    assert drawing in (tmp_path / "steps.html").read_text(encoding="utf-8")
    chromium.get("about:blank")
    chromium.get_log("browser")
    chromium.get((tmp_path / "steps.html").as_uri())
    order = ["x", "w", "mul", "add", "loss = total"]
    lines = [0, 0, 0, 2, 4, 5]
    for step in range(2 * len(order) + 1):
        found = chromium.execute_script(SEEN)
        back = max(step - len(order), 0)
        assert found["boxes"] == order[:step]
        assert found["gradients"] == order[len(order) - back :]
        assert found["lines"] == found["heads"] == lines[min(step, len(order))]
        newest = "" if step == 0 else order[-back] if back else order[step - 1]
        assert found["said"].endswith(newest)
        chromium.execute_script("document.getElementById('step').focus()")
        press(chromium, RIGHT)
    assert found["last"] == "10"
    assert chromium.get_log("browser") == []
