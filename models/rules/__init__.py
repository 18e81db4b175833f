"""How a gradient moves a task's params: one method a file, named in one table."""

from collections.abc import Callable

from models.inner import Rule
from models.rules.learned import Learned
from models.rules.maml_plus_plus import MAMLPlusPlus
from models.rules.meta_sgd import MetaSGD
from models.rules.novograd import NovoGrad
from models.rules.sgd import SGD

RULES: dict[str, Callable[..., Rule]] = {
    "sgd": SGD,
    "meta_sgd": MetaSGD,
    "maml_plus_plus": MAMLPlusPlus,
    "learned": Learned,
    "novograd": NovoGrad,
}
