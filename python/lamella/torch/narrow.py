"""What the optimizers with slots of few bits share: their storage, and clipping, clearing and copies in the pass of the step."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from operator import index
from typing import Any, ClassVar

import numpy as np
import torch
from torch.autograd import _profiler_enabled
from torch.optim import Optimizer
from torch.optim.optimizer import _global_optimizer_post_hooks, _global_optimizer_pre_hooks

from lamella import _kernels
from lamella.core.types import Array
from lamella.torch import stored
from lamella.torch.bucket import Bucket
from lamella.torch.rule import Rule, Work
from lamella.torch.tensors import check_memory, flat, flat_bytes, ordered_like, refuse_overlaps, span
from lamella.torch.writable import refuse_read_only

# 2^64 divided by the golden ratio: multiples of it are far apart.
_APART = 0x9E3779B97F4A7C15


class Narrow(Rule):
    """A mixin before a class of lamella.torch, whose rule its kernel computes. Parameters are float32 or bfloat16.

    Args:
        params: Parameters, or groups of them. A group may have its own `state_dtype`, `stochastic` and `seed`.
        *arguments: The arguments of torch's class.
        state_dtype: "float32", "bfloat16" or "8bit": the storage of the slots, as `state` of lamella.optimizers.NarrowAdamW.
        clipnorm: Bound of the norm of the gradients of all groups together, as torch.nn.utils.clip_grad_norm_. None for no bound.
        stochastic: Whether bfloat16 and 8-bit numbers are rounded up or down at random, with the value as the mean.
        seed: Of the random numbers: a whole number, of which 64 bits count.
        **options: The keywords of torch's class.

    Raises:
        TypeError: Another keyword was given.
        ValueError: An argument is out of range.
    """

    counted = True  # a random number belongs to a step
    dtypes = (torch.float32, torch.bfloat16)
    signed: ClassVar[dict[str, bool]]  # the names of the slots, and whether their numbers have signs
    _copies: list[Any] | None = None  # of the last step; they have been checked

    def __init__(
        self,
        params: Any,
        *arguments: Any,
        state_dtype: str = "bfloat16",
        clipnorm: float | None = None,
        stochastic: bool = True,
        seed: int = 0,
        **options: Any,
    ) -> None:
        who = type(self).__name__
        if clipnorm is not None and not (math.isfinite(clipnorm) and clipnorm > 0):
            raise ValueError(f"{who}: expected clipnorm to be a finite number above 0, or None, got {clipnorm!r}")
        known = inspect.signature(super().__init__).parameters
        for name in options.keys() - known:
            raise TypeError(f"{who}: unexpected keyword argument {name!r}")
        super().__init__(params, *arguments, **options)
        self.clipnorm = clipnorm
        own = {"state_dtype": state_dtype, "stochastic": bool(stochastic), "seed": index(seed)}
        self.defaults.update(own)
        for group in self.param_groups:
            for name, value in own.items():
                group.setdefault(name, value)
            self.slots(group)

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return {**state, "clipnorm": self.clipnorm}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for of_one in state["state"].values():
            for name, value in of_one.items() if isinstance(of_one, dict) else ():
                of_one[name] = value.tensor if isinstance(value, _Kept) else value
        super().__setstate__(state)
        for group in self.param_groups:  # of a state_dict of torch's class
            for name in ("state_dtype", "stochastic", "seed"):
                group.setdefault(name, self.defaults[name])
            for p in group["params"]:
                of_one = self.state.get(p, {})
                for name, signed in self.signed.items():
                    if of_one.get(name) is not None:
                        of_one[name] = stored.converted(p, of_one[name], group["state_dtype"], signed)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As torch's. Groups get the `state_dtype` that was saved with them, and the state keeps its bits.

        A state of torch's class has no `state_dtype`: it is rounded to the storage of this optimizer.

        Args:
            state_dict: Of this class, or of torch's class of the same rule.
        """
        # torch casts the state to the dtype of the parameters. A hook that runs after the user's hides the tensors from it.
        hook = self.register_load_state_dict_pre_hook(_hidden)
        try:
            super().load_state_dict(state_dict)
        finally:
            hook.remove()

    def step(self, closure: Callable[[], Any] | None = None, *, zero: bool = False, copies: Sequence[Any] | None = None) -> Any:
        """One step of every parameter that has a gradient, in one pass over the memory.

        Args:
            closure: Function that computes the loss and the gradients; it is called once.
            zero: Whether the gradients become 0 in the same pass.
            copies: A bfloat16 tensor for each parameter, which is float32, of all groups in their order. It receives the new
                values, rounded to nearest.

        Returns:
            What the closure returned, or None.

        Raises:
            TypeError, ValueError or RuntimeError: The message names the parameter that is wrong; nothing has changed.
        """
        hooks = _global_optimizer_pre_hooks or _global_optimizer_post_hooks
        if hooks or self._optimizer_step_pre_hooks or self._optimizer_step_post_hooks or _profiler_enabled():
            return self._hooked(self, closure, zero=zero, copies=copies)
        return self._step(closure, zero=zero, copies=copies)

    step.hooked = True  # type: ignore[attr-defined]  # see Rule.step

    def _step(
        self, closure: Callable[[], Any] | None = None, *, zero: bool = False, copies: Sequence[Any] | None = None
    ) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        found_inf, scaled_by = getattr(self, "found_inf", None), getattr(self, "grad_scale", None)
        if found_inf is not None and found_inf.item():
            return loss
        work = self._work()
        copy_of = {} if copies is None else self._copy_of(copies)
        written = [[copy_of[id(p)] for p in bucket.params] if copy_of else [] for _, bucket, _ in work]
        if zero:
            places = [(f"the gradient of {place}", g) for _, bucket, grads in work for place, g in zip(bucket.places, grads)]
            refuse_read_only(type(self).__name__, places)
        # A kernel checks its arguments before it writes. With several calls, all are checked before the first one.
        if (len(work) > 1 or self.clipnorm is not None) and not self._fits(work, written):
            self._check_all(work, copies)
        # Gradients that several calls read become 0 after the last one.
        later = zero and len(work) > 1 and not _kernels.lists_fit([[grads] for _, _, grads in work])
        scale = 1.0 if scaled_by is None else 1 / float(scaled_by)
        if self.clipnorm is not None:
            norm = _norm(work) * scale
            scale *= min(1.0, self.clipnorm / (norm + 1e-6)) if norm == norm else norm
        for k, ((group, bucket, grads), to) in enumerate(zip(work, written)):
            # The kernel counts the random numbers of one call, so each call of a step has its own key.
            seed = (group["seed"] + k * _APART + 2**63) % 2**64 - 2**63
            signed = -scale if group.get("maximize") else scale
            rest = (
                stored.BITS[group["state_dtype"]],
                int(zero and not later),
                signed,
                int(group["stochastic"]),
                seed,
                int(bucket.made),
            )
            wide = bucket.params[0].dtype is torch.float32
            # The bytes of slots do not tell how numbers are stored in them.
            if bucket.checked != group["state_dtype"]:
                self._check_all([(group, bucket, grads)], copies)
                bucket.checked = group["state_dtype"]
            try:
                if not bucket.plain or (bucket.single and bucket.negative(grads)):
                    raise TypeError
                ps, gs, *narrow = _by_width(wide, bucket.params, grads)
                bucket.plan.step(self.kernel, ps, gs, bucket.slots, bucket.numbers, (*narrow, to, *rest))
            except (TypeError, ValueError, RuntimeError):
                # Raise an error that names the tensor, or copy the gradients to the layout of the parameters.
                self._check_all([(group, bucket, grads)], copies)
                self._step_of_arrays(bucket, grads, to, rest)
            self._made(bucket, [*bucket.params, *(grads if zero else ()), *to])
        if later:
            _clear([g for _, _, grads in work for g in grads])
        return loss

    _hooked = staticmethod(Optimizer.profile_hook_step(_step))

    def _step_of_arrays(self, bucket: Bucket, grads: list[Any], copies: list[Any], rest: tuple[Any, ...]) -> None:
        """A step of tensors that the kernel does not take as they are. `rest`: the fields of Narrow after `copies`."""
        wide = bucket.params[0].dtype is torch.float32
        used = [ordered_like(g, p) for p, g in zip(bucket.params, grads)]
        if not _kernels.lists_fit([[[*map(flat_bytes, used)]]]):  # they share memory, and the kernel may clear them
            used = [torch.clone(g.detach(), memory_format=torch.preserve_format) for g in used]
        ps, gs, *narrow = _by_width(wide, *([*map(flat if wide else flat_bytes, some)] for some in (bucket.params, used)))
        bucket.order_slots()
        slots = [[*map(flat_bytes, slot)] for slot in bucket.slots]
        self.kernel(ps, gs, *slots, *bucket.numbers, (*narrow, [*map(flat_bytes, copies)], *rest))
        if rest[1]:  # zero
            _clear([g for g, read in zip(grads, used) if g is not read])

    def _fits(self, work: list[Work], copies: list[list[Any]]) -> bool:
        """Whether the kernels take these tensors; False also where only a copy of a tensor fits."""
        lists: list[list[list[Any]]] = []
        for (group, bucket, grads), to in zip(work, copies):
            if bucket.checked != group["state_dtype"] or not bucket.plain:
                return False
            lists += [[bucket.params, grads], *([slot] for slot in bucket.slots if slot), *([[to]] if to else [])]
            wide = bucket.params[0].dtype is torch.float32
            sizes = [p.numel() for p in bucket.params]
            if any(x.dtype is not torch.bfloat16 or x.shape != p.shape for x, p in zip(to, bucket.params)):
                return False
            if not wide and any(p.dtype is not torch.bfloat16 for p in bucket.params):
                return False
            if group["state_dtype"] == "8bit":
                sizes = [stored.shape(p, "8bit")[0] for p in bucket.params]
            dtype = stored.DTYPES[group["state_dtype"]]
            for slot in filter(None, bucket.slots):
                if [x.numel() for x in slot] != sizes or any(x.dtype is not dtype for x in slot):
                    return False
        return bool(_kernels.lists_fit(lists))

    def _new_slot(self, group: dict[str, Any], p: Any, name: str) -> Any:
        return stored.zeros_like(p, group["state_dtype"])

    def _check_state(self, group: dict[str, Any], place: str, p: Any, state: dict[str, Any]) -> None:
        who, wanted = type(self).__name__, group["state_dtype"]
        if wanted == "8bit" and not p.is_contiguous():
            raise ValueError(
                f"{who}: expected {place} to be contiguous for a state of 8 bits, got shape {tuple(p.shape)} with "
                f"strides {p.stride()}; state_dtype='bfloat16' takes other orders of memory"
            )
        for name in filter(None, self.slots(group)):
            slot = state.get(name)
            if slot is None:
                continue
            shape = stored.shape(p, wanted)
            if not isinstance(slot, torch.Tensor) or tuple(slot.shape) != shape:
                came = tuple(slot.shape) if isinstance(slot, torch.Tensor) else type(slot).__name__
                raise ValueError(f"{who}: expected the state {name!r} of {place} of shape {shape}, got {came}")
            if slot.dtype is not stored.DTYPES[wanted] or slot.device.type != "cpu":
                raise TypeError(
                    f"{who}: expected the state {name!r} of {place} to be {stored.DTYPES[wanted]} on the CPU, got {slot.dtype} on "
                    f"{slot.device}"
                )
            check_memory(who, f"the state {name!r} of {place}", slot)

    def _copy_of(self, copies: Sequence[Any]) -> dict[int, Any]:
        """The copy of each parameter, by the parameter's id. `_check_all` checks them, and the kernels do."""
        params = [p for group in self.param_groups for p in group["params"]]
        if len(copies) != len(params):
            raise ValueError(
                f"{type(self).__name__}: expected one copy for each of {len(params)} parameters, got {len(copies)}"
            )
        if self._copies is None or not _kernels.identical([*copies], self._copies):
            self._check_copies(copies, params)
            self._copies = [*copies]
        return {id(p): x for p, x in zip(params, copies)}

    def _check_copies(self, copies: Sequence[Any], params: list[Any]) -> None:
        who = type(self).__name__
        for i, (p, x) in enumerate(zip(params, copies)):
            if not isinstance(x, torch.Tensor) or x.dtype is not torch.bfloat16 or p.dtype is not torch.float32:
                came = x.dtype if isinstance(x, torch.Tensor) else type(x).__name__
                raise TypeError(
                    f"{who}: expected copy {i} of torch.bfloat16 for a parameter of torch.float32, got {came} for {p.dtype}"
                )
            if x.device.type != "cpu" or x.shape != p.shape or x.stride() != p.stride():
                raise ValueError(
                    f"{who}: expected copy {i} on the CPU of shape {tuple(p.shape)} and strides {p.stride()}, got {tuple(x.shape)} "
                    f"and {x.stride()} on {x.device}"
                )
            check_memory(who, f"copy {i}", x)
        refuse_read_only(who, [(f"copy {i}", x) for i, x in enumerate(copies)])

    def _check_all(self, work: list[Work], copies: Sequence[Any] | None) -> None:
        """As `_check`, and the copies of all parameters."""
        self._check(work)
        if copies is None:
            return
        self._check_copies(copies, [p for group in self.param_groups for p in group["params"]])
        spans = [(*span(x), True, f"copy {i}") for i, x in enumerate(copies)]
        refuse_overlaps(type(self).__name__, spans + [one for _, bucket, grads in work for one in bucket.spans(grads)])


class _Kept:
    """A tensor that torch's load_state_dict leaves as it is."""

    def __init__(self, tensor: Any) -> None:
        self.tensor = tensor


def _hidden(optimizer: Any, state_dict: dict[str, Any]) -> dict[str, Any]:
    """A state_dict with each tensor of the state, except the steps, in a _Kept."""

    def kept(name: str, value: Any) -> Any:
        return _Kept(value) if isinstance(value, torch.Tensor) and name != "step" else value

    states = {
        i: {name: kept(name, x) for name, x in own.items()} if isinstance(own, dict) else own
        for i, own in state_dict["state"].items()
    }
    return {**state_dict, "state": states}


def _clear(grads: list[Any]) -> None:
    with torch.no_grad():
        for g in grads:
            g.zero_()


def _by_width(wide: bool, params: list[Any], grads: list[Any]) -> tuple[list[Any], list[Any], list[Any], list[Any]]:
    """The first two arguments of a kernel, and the first two of its Narrow in cpp/table/bundles.def."""
    return (params, grads, [], []) if wide else ([], [], params, grads)


def _norm(work: list[Work]) -> float:
    """The norm of all gradients of a step together."""
    square = 0.0
    norm: Array = np.zeros(1, np.float32)
    for _, bucket, grads in work:
        wide = bucket.params[0].dtype is torch.float32
        try:
            bucket.norm_plan(_kernels.gradient_norm, *((grads, []) if wide else ([], grads)), norm)
        except (TypeError, ValueError, RuntimeError):  # some are not contiguous
            used = [ordered_like(g, p) for p, g in zip(bucket.params, grads)]
            arrays = [*map(flat if wide else flat_bytes, used)]
            _kernels.gradient_norm(*((arrays, []) if wide else ([], arrays)), norm)
        square += float(norm[0]) ** 2
    return math.sqrt(square)
