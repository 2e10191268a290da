"""trm_np: a Tiny Recursive Model that recommends gifts, from scratch in NumPy."""

import os

TYPE_CHECKING = False  # that of `typing` takes milliseconds, in which Ctrl-C would not be handled yet
if TYPE_CHECKING:
    from trm_np.interactive import evaluate as evaluate
    from trm_np.interactive import train as train
    from trm_np.recommend.recommender import Recommender as Recommender

__version__ = "0.1.0"

# In a checkout `autograd/` and `scenarios/` stand at the root of the repository, beside this folder; an
# installed copy has them inside it. Appending the root makes `trm_np.autograd` mean the same in both.
_root = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
if os.path.isfile(os.path.join(_root, "setup.cfg")) and os.path.isdir(os.path.join(_root, "autograd")):
    __path__.append(_root)


def __getattr__(name: str) -> object:
    """A name that is imported when it is first asked for: `import trm_np` alone imports no NumPy."""
    if name == "Recommender":
        from trm_np.recommend.recommender import Recommender

        return Recommender
    if name in ("evaluate", "train"):
        from trm_np import interactive

        return getattr(interactive, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
