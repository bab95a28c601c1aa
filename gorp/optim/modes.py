"""Projections: which modes (dimensions) of a gradient are reduced, and on which mode a shared gradient space lives.

No torch here: settings name projections, and the workflow reads settings while it builds its graph.
"""

from collections.abc import Sequence

# The modes that each projection reduces. "full" of a matrix takes both sides, of a tensor all modes: a Tucker
# decomposition, truncated in each mode by its own singular vectors (HOSVD).
PROJECTIONS = {
    "std": lambda shape: (
        min(range(len(shape)), key=lambda mode: (shape[mode], -mode)),
    ),  # the smallest, last of equals
    "reverse_std": lambda shape: (largest(shape, range(len(shape))),),
    "left": lambda shape: (0,),
    "right": lambda shape: (len(shape) - 1,),
    "full": lambda shape: tuple(range(len(shape))),
}


def largest(shape: Sequence[int], modes: Sequence[int]) -> int:
    """The largest of some modes, the first of equals."""
    return max(modes, key=lambda mode: (shape[mode], -mode))


def basis_mode(shape: Sequence[int], reduced: Sequence[int]) -> int:
    """The mode on which the shared gradient space lives: the largest left whole, or of all where none is."""
    return largest(shape, [mode for mode in range(len(shape)) if mode not in reduced] or range(len(shape)))
