"""What a task changes: one method a file, named in one table."""

from collections.abc import Callable

from models.heads.alpaca import ALPaCA
from models.heads.amortised import Amortised
from models.heads.bayesian_linear import BayesianLinear
from models.heads.both import Both
from models.heads.frames import Frames
from models.heads.gradient import Gradient
from models.heads.gradient_regression import GradientRegression
from models.heads.head import Head
from models.heads.in_context import InContext
from models.heads.in_own_units import InOwnUnits
from models.heads.linear_classes import LinearClasses
from models.heads.linear_values import LinearValues
from models.heads.logistic import Logistic
from models.heads.mixture_prior import MixturePrior
from models.heads.prior_logistic import PriorLogistic
from models.heads.prototypical import Prototypical
from models.heads.ridge import Ridge
from models.heads.tail import Tail

HEADS: dict[str, Callable[..., Head]] = {
    "prototypical": Prototypical,
    "ridge": Ridge,
    "logistic": Logistic,
    "prior_logistic": PriorLogistic,
    "frames": Frames,
    "bayesian_linear": BayesianLinear,
    "alpaca": ALPaCA,
    "mixture_prior": MixturePrior,
    "gradient": Gradient,
    "gradient_regression": GradientRegression,
    "amortised": Amortised,
    "tail": Tail,
    "in_own_units": InOwnUnits,
    "in_context": InContext,
    "linear_classes": LinearClasses,
    "linear_values": LinearValues,
    "both": Both,
}
