"""The code behind each step of the workflow: what has to change so that the step runs again."""

from gorp.config.model_names import EMBEDDED
from gorp.config.settings import is_file
from gorp.util.code_digest import code_digest

COMMANDS = {  # the module of the command by step
    **{step: f"gorp.commands.{step}" for step in ("preprocess", "train", "predict", "score", "audit", "aggregate")},
    **{step: f"gorp.commands.{step}" for step in ("curves", "summarize")},
    "evaluate": "gorp.commands.train",  # a training with evaluations
}
NOT_RUN = {
    "train": ("gorp.prediction.during_training",)
}  # modules that a step's command imports for another step alone


def step_code(step: str, method: str | None = None) -> str:
    """The code digest of a step; of a training by a method, which is the name of one or a Python file."""
    methods = [method if is_file(method) else f"gorp.methods.{method}"] if method else []
    return code_digest(COMMANDS[step], *methods, without=NOT_RUN.get(step, ()))


def base_model_code(name: str) -> str:
    """The code digest of making a base model."""
    makers = ("gorp.models.made.embedded", "gorp.models.made.smollm2")
    own = makers[0] if name in EMBEDDED else makers[1]
    return code_digest("gorp.commands.base", without=tuple(maker for maker in makers if maker != own))
