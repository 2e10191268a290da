"""Chosen gifts as training targets: histories as lists, and candidates for a listwise loss."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trm_np.data.encode import Floats32
from trm_np.data.tables import MISSING, Bools, Floats, Ints, Rows

if TYPE_CHECKING:
    from scipy.sparse import csr_array  # type: ignore[import-untyped]

IMPOSSIBLE = -1e4  # added to a logit: its probability is 0 in float32, and the loss stays finite


@dataclass(frozen=True, eq=False)
class Choices(Rows):
    """Choices of B profiles among C candidates. `gifts` (C,) are the candidates' indices in the catalogue.

    `share` (B, C) is each candidate's share of a profile's choices, or zeros if nothing was chosen. Shares are float64
    because the gradient of the loss relies on a sum of one. `offset` (B, C) is added to the logits. It rules out gifts
    in the history and corrects for sampled candidates.
    """

    shared = ("gifts",)

    gifts: Ints
    share: Floats
    offset: Floats32


def padded(history: "csr_array", hidden: Bools | None = None) -> Ints:
    """Turn sparse histories (B, G) into lists of gift indices (B, H), padded with -1 in front.

    The history is empty where `hidden` (B,) is True.
    """
    count = np.diff(history.indptr)
    if hidden is not None:
        count = np.where(hidden, 0, count)
    lists = np.full((len(count), int(count.max(initial=0))), MISSING)
    for row, size in enumerate(count.tolist()):
        if size:
            end = history.indptr[row + 1]
            lists[row, -size:] = history.indices[end - size : end]
    return lists


def choices_among(
    chosen: "csr_array", rejected: "csr_array", history: "csr_array", hidden: Bools, sample: Ints | None
) -> Choices:
    """The choices of B profiles. Where `hidden` (B,) is True, the history counts as chosen too.

    Candidates are all gifts, or a uniform `sample` of them and the chosen gifts. A sampled candidate that was not
    chosen has weight G / |sample|. The expected sum of exponentials over the candidates is then the sum over all
    gifts (Bengio and Senécal 2008, "Adaptive importance sampling").
    """
    from scipy.sparse import csr_array  # imported here because recommendations must not import SciPy

    profiles, gifts = chosen.shape
    had = history.multiply(~hidden[:, None]).tocsr()
    liked = history.multiply(hidden[:, None]).tocsr()
    taken = csr_array(chosen + liked - liked.multiply(rejected > 0))
    taken.eliminate_zeros()
    candidates = np.arange(gifts) if sample is None else np.union1d(sample, taken.indices)
    weight = taken[:, candidates].toarray()
    offset = np.zeros((profiles, len(candidates)))
    if sample is not None:
        drawn = np.isin(candidates, sample)
        offset = np.where(weight > 0, 0.0, np.where(drawn, np.log(gifts / len(sample)), IMPOSSIBLE))
    offset[(had[:, candidates].toarray() > 0) & (weight == 0)] = IMPOSSIBLE
    total = weight.sum(axis=1, keepdims=True)
    share = np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)
    return Choices(candidates, share, offset.astype(np.float32))
