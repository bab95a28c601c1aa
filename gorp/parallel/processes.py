"""Many processes of one job, on plain torch.distributed; with a single process each function here does nothing.

A launcher (torchrun, deepspeed) starts the processes and tells each of them its number in the environment: RANK,
WORLD_SIZE and LOCAL_RANK. They communicate by nccl on GPUs, one each, and by gloo on CPUs.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence

import torch
import torch.distributed as dist
from torch import Tensor

from gorp.util.errors import UserError


def device() -> torch.device:
    """Where this process computes: a GPU of its own where the machine has any, else the CPU.

    Raises UserError if a machine with GPUs has fewer than processes.
    """
    if not torch.cuda.is_available():
        return torch.device("cpu")
    number, count = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if number >= count:
        raise UserError(f"processes: {number + 1} or more on a machine with {count} GPUs; each needs its own")
    return torch.device("cuda", number)


@contextlib.contextmanager
def started() -> Iterator[None]:
    """Joins the processes that a launcher started, and leaves them at the end; without a launcher, or inside, nothing.

    A process that fails ends alone: its launcher shows its error and ends the others, which may wait for it.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        yield
        return
    own = device()
    if own.type == "cuda":
        torch.cuda.set_device(own)
    dist.init_process_group("nccl" if own.type == "cuda" else "gloo")
    yield
    dist.destroy_process_group()


def rank() -> int:
    """The number of this process; 0 is the one that writes and tells."""
    return dist.get_rank() if dist.is_initialized() else 0


def size() -> int:
    """The number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def wait() -> None:
    """Returns when all processes are here."""
    if size() > 1:
        dist.barrier()


@torch.no_grad()
def broadcast_(tensors: Iterable[Tensor]) -> None:
    """Gives all processes the tensors of process 0, in place."""
    if size() > 1:
        for tensor in tensors:
            whole = tensor.contiguous()  # a basis lies by columns
            dist.broadcast(whole, src=0)
            if whole is not tensor:
                tensor.copy_(whole)


@torch.no_grad()
def sum_(tensors: Sequence[Tensor]) -> None:
    """Sums float32 tensors over all processes, in place, by one all-reduce of them all."""
    if size() > 1:
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        dist.all_reduce(flat)
        parts = flat.split([tensor.numel() for tensor in tensors])
        torch._foreach_copy_(list(tensors), [p.view(t.shape) for p, t in zip(parts, tensors, strict=True)])


def gather_texts(text: str) -> list[str]:
    """The text of each process, of any length."""
    own = torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8)
    lengths = [int(length) for length in gather(torch.tensor([len(own)]))]
    parts = gather(torch.nn.functional.pad(own, (0, max(lengths) - len(own))))
    return [bytes(part[:length].tolist()).decode() for part, length in zip(parts, lengths, strict=True)]


def gather(tensor: Tensor) -> list[Tensor]:
    """The tensor of each process, on the CPU; all must have one shape and dtype."""
    if size() == 1:
        return [tensor.cpu()]
    own = tensor.to(device())
    parts = [torch.empty_like(own) for _ in range(size())]
    dist.all_gather(parts, own)
    return [part.cpu() for part in parts]
