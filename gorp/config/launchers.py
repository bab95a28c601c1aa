"""How a job starts its processes: what stands before the command, and what SLURM is asked for."""

from collections.abc import Mapping
from typing import Any

Resources = Mapping[str, Any]  # those of a kind of jobs, `resources: train:` of the config


def processes_of(own: Resources) -> int:
    """Processes of a job on each of its machines: one a GPU, or as many as the config says."""
    return max(own["processes"], own["gpu"])


def launcher(own: Resources) -> str:
    """What stands before the sub-command: gorp alone, or a launcher of many processes."""
    count, nodes = processes_of(own), own.get("nodes", 1)
    if nodes > 1:  # a torchrun on each node, which meet at the first
        head = '"$(scontrol show hostnames "$(squeue -h -j $SLURM_JOB_ID -o %N)" | head -n 1)'
        return (
            f"srun --nodes={nodes} --ntasks={nodes} --ntasks-per-node=1 --kill-on-bad-exit=1"
            f" torchrun --nnodes {nodes} --nproc-per-node {count} --rdzv-id $SLURM_JOB_ID --rdzv-backend c10d"
            f' --rdzv-endpoint {head}:$((20000 + SLURM_JOB_ID % 10000))" -m gorp'
        )
    return f"torchrun --standalone --nproc-per-node {count} -m gorp" if count > 1 else "gorp"


def machines(own: Resources) -> dict[str, Any]:
    """The resources by which SLURM gives a job its CPUs and GPUs, on one machine or on several."""
    cpus, gpu, nodes = {"cpus_per_task": own["threads"]}, own["gpu"], own.get("nodes", 1)
    if nodes == 1:
        return {**cpus, "gpu": gpu}
    extra = f"--ntasks-per-node=1{f' --gpus-per-node={gpu}' if gpu else ''}"
    return {**cpus, "mpi": "srun", "nodes": nodes, "tasks": nodes, "slurm_extra": extra}
