"""The frozen base model in pieces, one with each process: DeepSpeed's ZeRO stage 3.

What is trained stays whole with every process, outside DeepSpeed. The pieces of a layer come together while a forward
or backward pass needs it. Outside a pass a weight in pieces has the shape [0].
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from gorp import distributed


def shard(base: nn.Module, whole: Sequence[str], zero: Mapping[str, Any]) -> None:
    """Takes a frozen model apart, in place, but for the linear modules named in `whole`; those become fp32.

    `zero` is the `zero_optimization` section of a checked config (`gorp.zero_config`), of stage 3. The model is then to
    be called as before: never through DeepSpeed's engine, which would want the backward pass for itself.
    """
    import deepspeed

    if not dist.is_initialized():  # a single process holds all pieces, and may keep them on the CPU beside its GPU
        backend = "nccl" if distributed.device().type == "cuda" else "gloo"
        dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1)
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False  # else it is compiled: a minute, and a compiler
    config = {
        "train_micro_batch_size_per_gpu": 1,  # asked for, and used by the engine's own loop alone
        "gradient_clipping": 0.0,
        "zero_optimization": dict(zero),
    }
    deepspeed.initialize(model=base, config=config)
    for name in whole:
        parent, _, last = name.rpartition(".")
        setattr(base.get_submodule(parent), last, whole_linear(base.get_submodule(name)))


def whole_linear(module: nn.Linear) -> nn.Linear:
    """A linear module in pieces as a new one, whole, frozen and fp32."""
    import deepspeed

    parameters = [p for p in (module.weight, module.bias) if p is not None]
    # without memory, and so without random numbers: the generator must go on as in a training without pieces
    linear = nn.Linear(module.in_features, module.out_features, module.bias is not None, device="meta")
    with deepspeed.zero.GatheredParameters(parameters):
        for name, parameter in module.named_parameters():
            copy = parameter.detach().to(distributed.device(), torch.float32, copy=True)
            setattr(linear, name, nn.Parameter(copy, requires_grad=False))
    return linear.eval()
