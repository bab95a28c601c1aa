"""The frozen base model, sharded over the processes by DeepSpeed's ZeRO stage 3.

Trained parameters stay whole in every process, outside DeepSpeed. A layer is gathered while a forward or backward pass
needs it. Outside a pass a sharded weight has the shape [0].
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from gorp.parallel import processes


def shard(base: nn.Module, whole: Sequence[str], zero: Mapping[str, Any]) -> None:
    """Shards a frozen model, in place, except the modules named in `whole`.

    `zero` is the `zero_optimization` section of a checked config (`gorp.config.deepspeed_file`), of stage 3. The model
    is then to be called as before: never through DeepSpeed's engine, which would want the backward pass for itself.
    """
    import deepspeed

    if not dist.is_initialized():  # a single process holds all pieces, and may keep them on the CPU beside its GPU
        backend = "nccl" if processes.device().type == "cuda" else "gloo"
        dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1)
        os.environ.setdefault("LOCAL_RANK", "0")  # which DeepSpeed asks for, and a launcher would have set
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False  # else it is compiled: a minute, and a compiler
    config = {
        "train_micro_batch_size_per_gpu": 1,  # asked for, and used by the engine's own loop alone
        "bf16": {"enabled": base.dtype == torch.bfloat16},
        "zero_optimization": dict(zero),
    }
    modules = {name: base.get_submodule(name) for name in whole}
    for name in whole:  # out of DeepSpeed's sight: it would take them apart, and round them to the others' dtype
        base.set_submodule(name, nn.Identity())
    deepspeed.initialize(model=base, config=config)
    for name, module in modules.items():
        base.set_submodule(name, module)
