"""Tensors without memory: a model made of them, and a count of the bytes that real ones would take.

A fake tensor of torch's FakeTensorMode has shape, dtype and device, and no data. Each operation runs through the same
code, down to the choice of an attention kernel, and yields fake tensors; nothing is computed.
"""

import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from gorp.models.adapters import Adapted

aten = torch.ops.aten
INDEXING = (aten.index.Tensor, aten.index_put.default, aten.index_put_.default)


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of all tensors alive, operation by operation; enter it inside a FakeTensorMode.

    `parts` names the tensors of interest: {part: tensors} as they are when it is called. At the peak the bytes of each
    part are noted (to within 0.2 % of the peak, since noting at every operation would take long).

    What only data could tell is answered as for a training that goes well and takes the most: a truth value is True,
    a float is 1, a count is as large as can be, and a mask selects everything.
    """

    def __init__(self, parts: Callable[[], Mapping[str, Iterable[Tensor]]]):
        super().__init__()
        self.parts = parts
        self.now, self.peak = 0, 0
        self.at_peak: dict[str, int] = {}
        self._seen: weakref.WeakSet[torch.UntypedStorage] = weakref.WeakSet()
        self._noted = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func in INDEXING:
            args = (args[0], [everything(index) for index in args[1]], *args[2:])
        self._rise(workspace(func, args))
        try:
            out = func(*args, **(kwargs or {}))
        except DataDependentOutputException:
            return likely(args[0].dtype)
        if func.namespace != "prim":  # a question, such as for the device
            for tensor in tree_leaves(out):
                if isinstance(tensor, Tensor):
                    self.add(tensor)
        return out

    def add(self, tensor: Tensor) -> None:
        """Counts a tensor's storage, once, until nothing refers to it any more."""
        storage = tensor.untyped_storage()
        if storage in self._seen:
            return
        self._seen.add(storage)
        weakref.finalize(storage, self._drop, storage.nbytes())
        self.now += storage.nbytes()
        self._rise(0)

    def _rise(self, beside: int) -> None:
        if self.now + beside > self.peak:
            self.peak = self.now + beside
            if self.peak > 1.002 * self._noted:
                self._noted, self.at_peak = self.peak, self.bytes_by_part()

    def _drop(self, count: int) -> None:
        self.now -= count

    def bytes_by_part(self) -> dict[str, int]:
        """The bytes of each part as it is now; a storage that two tensors share counts once."""
        return {name: storage_bytes(tensors) for name, tensors in self.parts().items()}


def storage_bytes(tensors: Iterable[Tensor]) -> int:
    """The bytes of the storages behind some tensors; what is no tensor counts nothing."""
    storages = {tensor.untyped_storage() for tensor in tensors if isinstance(tensor, Tensor)}
    return sum(storage.nbytes() for storage in storages)


def workspace(func, args: tuple) -> int:
    """The bytes that a kernel takes for itself: on a CPU, a product in bfloat16 copies an operand that is broadcast."""
    if func is not aten.bmm.default or args[0].dtype != torch.bfloat16:
        return 0
    return sum(operand.nbytes for operand in args[:2] if operand.stride(0) == 0 and len(operand) > 1)


def everything(index: Tensor | None) -> Tensor | None:
    """A fake mask over one dimension as the numbers of all its places; other indices as they are."""
    if isinstance(index, FakeTensor) and index.dtype == torch.bool and index.dim() == 1:
        return torch.arange(index.shape[0])
    return index


def likely(dtype: torch.dtype) -> bool | float | int:
    """The value to go on with where a fake scalar is asked for its own."""
    if dtype == torch.bool:
        return True
    return 1.0 if dtype.is_floating_point else 2**62


def fake_model(adapted: Adapted, mode: FakeTensorMode) -> Adapted:
    """Replaces, in place, all parameters and buffers of a model on the meta device by fake ones on the CPU.

    Attaching adapters moves parameters, which torch refuses to do with fake ones: hence in two steps.
    """
    made: dict[Tensor, Any] = {}

    def fake(tensor: Tensor) -> Any:
        if tensor not in made:  # tied weights stay tied
            made[tensor] = FakeTensor(mode, tensor.detach(), torch.device("cpu"))
            if isinstance(tensor, nn.Parameter):
                made[tensor] = nn.Parameter(made[tensor], tensor.requires_grad)
        return made[tensor]

    for module in adapted.model.modules():
        for tensors in (module._parameters, module._buffers):
            tensors.update({name: fake(tensor) for name, tensor in tensors.items() if tensor is not None})
    lora, full_rank = ({name: made[p] for name, p in group.items()} for group in (adapted.lora, adapted.full_rank))
    return Adapted(adapted.model, lora, full_rank)
