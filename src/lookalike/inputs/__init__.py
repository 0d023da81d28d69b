"""Images as people hand them over in Python: folders, paths, PIL images, arrays, tensors, columns of tables, datasets.

One way in for the estimators and for `load(RUN)`.
"""

from lookalike.inputs.containers import plain
from lookalike.inputs.images import as_array, entering, grey, one_image, read, warn
from lookalike.inputs.value_range import InputError, Scale, levels, raise_not_finite

__all__ = [
    "InputError",
    "Scale",
    "as_array",
    "entering",
    "grey",
    "levels",
    "one_image",
    "plain",
    "raise_not_finite",
    "read",
    "warn",
]
