"""trm_np: a Tiny Recursive Model that recommends gifts, from scratch in NumPy."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trm_np.recommend import Recommender as Recommender

__version__ = "0.1.0"

# In a checkout `autograd/` and `scenarios/` stand at the root of the repository, beside this folder; an
# installed copy has them inside it. Appending the root makes `trm_np.autograd` mean the same in both.
_root = Path(__file__).resolve().parent.parent
if (_root / "setup.cfg").is_file() and (_root / "autograd").is_dir():
    __path__.append(str(_root))


def __getattr__(name: str) -> object:
    """`Recommender`, imported when it is first asked for: `import trm_np` alone imports no NumPy."""
    if name == "Recommender":
        from trm_np.recommend import Recommender

        return Recommender
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
