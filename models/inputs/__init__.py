"""Raw inputs as bytes and numbers -> the arrays that models take, named in one table; no torch here.

An input is a frozen dataclass of its options with `shape` and `dtype`; calling it returns one array or raises a
ValueError. Its `traits` say what there may be of it. Of rows of one task it tells the `forms`, where these are left
open, and which are of texts that were `truncated`; `made_up` ones are to measure with.
"""

from collections.abc import Callable
from typing import TypeAlias

from models.inputs.frame import FrameInput
from models.inputs.image import GlyphInput
from models.inputs.mixed import MixedInput
from models.inputs.photo import PhotoInput
from models.inputs.table import TableInput
from models.inputs.text import TextInput
from models.inputs.vector import VectorInput

Input: TypeAlias = FrameInput | GlyphInput | MixedInput | PhotoInput | TableInput | TextInput | VectorInput

INPUTS: dict[str, Callable[..., Input]] = {
    "glyph": GlyphInput,
    "photo": PhotoInput,
    "text": TextInput,
    "frame": FrameInput,
    "vector": VectorInput,
    "mixed": MixedInput,
    "table": TableInput,
}
