"""GORP: continual fine-tuning of language models inside low-rank gradient subspaces (Wang et al., ACL 2025).

The public names below are imported when they are first used: `import gorp` loads no torch. docs/api.md shows each.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for type checkers, and for the code digest, which follows these
    from gorp.config.settings import TrainSettings as TrainSettings
    from gorp.methods.base import Method as Method
    from gorp.metrics.answers import score_predictions as score_predictions
    from gorp.models.stage import read_stage as read_stage
    from gorp.models.stage_model import load_model as load_model
    from gorp.optim.gorp_adamw import GorpAdamW as GorpAdamW
    from gorp.optim.group_patterns import parameter_groups as parameter_groups
    from gorp.prediction.predict import predict as predict
    from gorp.report.order_tables import aggregate as aggregate
    from gorp.train.stage import train_stage as train_stage

__version__ = "0.1.0"

_MODULES = {
    "GorpAdamW": "gorp.optim.gorp_adamw",
    "Method": "gorp.methods.base",
    "TrainSettings": "gorp.config.settings",
    "aggregate": "gorp.report.order_tables",
    "load_model": "gorp.models.stage_model",
    "parameter_groups": "gorp.optim.group_patterns",
    "predict": "gorp.prediction.predict",
    "read_stage": "gorp.models.stage",
    "score_predictions": "gorp.metrics.answers",
    "train_stage": "gorp.train.stage",
}
__all__ = [*_MODULES]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'gorp' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
