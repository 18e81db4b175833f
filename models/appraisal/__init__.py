"""How good an adapted task will be, told from its support alone: by what its examples say of each other."""

from models.appraisal.appraisal import LEVEL, LEVELS, Appraisal, Appraised
from models.appraisal.signs import signs_of
from models.appraisal.suspects import Suspect, suspects_of

__all__ = ["LEVEL", "LEVELS", "Appraisal", "Appraised", "Suspect", "signs_of", "suspects_of"]
