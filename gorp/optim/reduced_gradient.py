"""What stands in `p.grad` once a gradient is reduced: a tensor without memory that refuses to be read."""

from torch import Tensor

# what says that a gradient is there, and of what kind, and reads none
HARMLESS = (Tensor.dim, Tensor.size, Tensor.numel, Tensor.requires_grad_, Tensor.detach_)


class ReducedGradient(Tensor):
    """The mark of a gradient that is in its subspace already, of the shape, dtype and device of its parameter.

    Without it `p.grad` would be None, and `torch.nn.utils.clip_grad_norm_` and others like it would pass over the
    parameter and say nothing. Any operation on it raises RuntimeError, which names the parameter and what to call.
    """

    @staticmethod
    def __new__(cls, parameter: Tensor, name: str) -> "ReducedGradient":
        return Tensor._make_wrapper_subclass(cls, parameter.shape, dtype=parameter.dtype, device=parameter.device)

    def __init__(self, parameter: Tensor, name: str):
        self.parameter_name = name

    def __repr__(self) -> str:  # type: ignore[override]  # torch's takes an option of its own
        return f"ReducedGradient({self.parameter_name!r})"

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func in HARMLESS or getattr(func, "__name__", "") in ("__get__", "__set__"):
            return super().__torch_function__(func, types, args, kwargs or {})
        raise refusal(args)

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):  # type: ignore[override]  # no class method in torch's stub
        raise refusal(args)


def refusal(args: tuple) -> RuntimeError:
    """The error for an operation on these arguments, of which one is, or holds, such a gradient."""
    flat = [item for argument in args for item in (argument if isinstance(argument, list | tuple) else [argument])]
    names = [item.parameter_name for item in flat if isinstance(item, ReducedGradient)]
    return RuntimeError(
        f"{names[0] if names else 'a parameter'}: its gradient is already reduced, since GorpAdamW.project_early was "
        "called; clip with optimizer.clip_grad_norm_(max_norm), and read gradients with optimizer.reduce()"
    )


def whole_gradient(parameter: Tensor) -> Tensor | None:
    """The gradient of a parameter at full size; None where there is none, or it is reduced."""
    return None if isinstance(parameter.grad, ReducedGradient) else parameter.grad
