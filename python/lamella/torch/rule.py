"""What the optimizers share: a step by kernels, in place. Everything around it is torch.optim's."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, isfinite
from typing import Any, ClassVar, TypeAlias

import torch
from torch.autograd import _profiler_enabled
from torch.optim import Optimizer
from torch.optim.optimizer import _global_optimizer_post_hooks, _global_optimizer_pre_hooks

from lamella import _kernels
from lamella.core.types import Array
from lamella.torch.bucket import Bucket
from lamella.torch.tensors import check_grad, check_memory, check_param, filled_like, refuse_overlaps
from lamella.torch.writable import refuse_read_only

# torch.autograd.graph.increment_version without its test for a single tensor.
_increment_version = torch._C._increment_version
_NONE: tuple[list[Any], list[Bucket]] = [], []

# A kernel and its arguments without the lists of tensors: kernel(params, grads, *slots, *numbers).
Call: TypeAlias = tuple[Callable[..., None], tuple[Any, ...]]
# A parameter group, tensors of it and their gradients.
Work: TypeAlias = tuple[dict[str, Any], Bucket, list[Any]]


class Rule(Optimizer):  # type: ignore[misc]  # mypy does not read torch
    """A mixin before a class of torch.optim, which provides constructor and state.

    A subclass says which tensors of its state the kernel updates (`slots`) and which kernel call makes a step (`call`).
    """

    # GradScaler leaves the gradients scaled, and sets grad_scale and found_inf before it calls step.
    _step_supports_amp_scaling = True
    counted = True  # whether the state has "step"
    dtypes: ClassVar[tuple[Any, ...]] = (torch.float32, torch.float64)
    # The buckets of each parameter group, for the parameters that had a gradient; and the state that they were made from.
    _plans: dict[int, tuple[list[Any], list[Bucket]]] | None = None
    _seen: tuple[Any, list[Any]] | None = None

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        """The names of the tensors in the state that the kernel updates, in its order; "" for one that this step does not use.

        Args:
            group: A parameter group.
        """
        raise NotImplementedError

    def slots_of(self, group: dict[str, Any], p: Any) -> tuple[str, ...]:
        """`slots` of one parameter. Parameters with other slots are updated in another call.

        Args:
            group: A parameter group.
            p: A parameter of it.
        """
        return self.slots(group)

    def shape(self, name: str, p: Any) -> Any:
        """The shape of a slot.

        Args:
            name: One of `slots`.
            p: A parameter.
        """
        return p.shape

    def call(self, group: dict[str, Any], steps: float, fresh: bool, bounds: tuple[Any, ...]) -> Call:
        """The kernel of a step, and its arguments after the lists of parameters and gradients.

        Args:
            group: The parameter group.
            steps: The number of steps made before this one.
            fresh: Whether the slots are new.
            bounds: How the kernel reads the gradients.
        """
        raise NotImplementedError

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of every parameter that has a gradient.

        Args:
            closure: Function that computes the loss and the gradients; it is called once.

        Returns:
            What the closure returned, or None.

        Raises:
            TypeError, ValueError or RuntimeError: The message names the parameter that is wrong; nothing has changed.
        """
        hooks = _global_optimizer_pre_hooks or _global_optimizer_post_hooks
        if hooks or self._optimizer_step_pre_hooks or self._optimizer_step_post_hooks or _profiler_enabled():
            return self._hooked(self) if closure is None else self._hooked(self, closure)
        return self._step(closure)

    # Without this attribute Optimizer.__init__ wraps `step`, and each step takes time for a record of the profiler.
    step.hooked = True  # type: ignore[attr-defined]

    def _step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        found_inf, scale = getattr(self, "found_inf", None), getattr(self, "grad_scale", None)
        if found_inf is not None and found_inf.item():
            return loss
        work = self._work()
        # A kernel checks its arguments before it writes. With several kernels, all are checked before the first one writes.
        if (len(work) > 1 or scale is not None) and not (
            all(bucket.plain for _, bucket, _ in work)
            and _kernels.lists_fit([[bucket.params, grads, *bucket.slots()] for _, bucket, grads in work])
        ):
            self._check(work)
        if scale is not None:
            with torch.no_grad():  # as torch's fused steps do, which leave the gradients unscaled
                torch._foreach_div_([g for _, _, grads in work for g in grads], float(scale))
        for group, bucket, grads in work:
            self._launch(group, bucket, grads)
        return loss

    _hooked = staticmethod(Optimizer.profile_hook_step(_step))

    def _work(self) -> list[Work]:
        """The kernel calls of a step: for each one the group, the tensors and their gradients."""
        state = self.state
        if self._plans is None or self._seen is None or self._seen[0] is not state or not self._same_states(self._seen[1]):
            self._plans = {}
        work: list[Work] = []
        for i, group in enumerate(self.param_groups):
            params: list[Any] = group["params"]
            grads = _kernels.gradients(params)
            if grads is None:
                params = [p for p in params if p.grad is not None]
                grads = [p.grad for p in params]
            if not params:
                continue
            held, buckets = self._plans.get(i, _NONE)
            if not _kernels.identical(params, held):
                buckets = self._plan(i, group, params)
            if len(buckets) == 1:
                work.append((group, buckets[0], grads))
            else:
                of = dict(zip(map(id, params), grads))
                work += [(group, bucket, [of[id(p)] for p in bucket.params]) for bucket in buckets]
        for _, bucket, _ in work:
            if bucket.steps() is None:
                self._plans = {}  # the user wrote other counts into the state
                return self._work()
        return work

    def _same_states(self, values: list[Any]) -> bool:
        """Whether each parameter still has the state that it had when `values` was stored."""
        return _kernels.identical(self.state, values)

    def _plan(self, i: int, group: dict[str, Any], params: list[Any]) -> list[Bucket]:
        """The buckets of group i for these parameters, each with a state; they are stored in `_plans`."""
        who = type(self).__name__
        for name in ("capturable", "differentiable"):
            if group.get(name):
                raise ValueError(f"{who}: {name}=True is not supported: steps are made on the CPU, outside of autograd's graph")
        places = {id(p): f"parameter {k} of group {i}" for k, p in enumerate(group["params"])}
        for p in params:
            check_param(who, places[id(p)], p, self.dtypes)
            self._check_state(group, places[id(p)], p, self.state.get(p, {}))
        written = [(places[id(p)], p) for p in params]
        for p in params:
            state = self.state.get(p, {})
            names = self.slots_of(group, p)
            written += [
                (f"the state {name!r} of {places[id(p)]}", state[name]) for name in names if state.get(name) is not None
            ]
        refuse_read_only(who, written)
        sorted_in: dict[tuple[Any, ...], list[Any]] = {}
        for p in params:
            names = self.slots_of(group, p)
            slots = tuple(filter(None, names))
            state = self.state[p] if slots or self.counted else {}
            fresh = self._complete(group, p, state, slots)
            steps = float(state["step"]) if self.counted else 0.0
            sorted_in.setdefault((names, p.dtype, state["step"].dtype if self.counted else None, fresh, steps), []).append(p)
        buckets = [
            Bucket(
                some,
                [self.state[p] if any(names) or self.counted else {} for p in some],
                names,
                [places[id(p)] for p in some],
                counted=self.counted,
                fresh=fresh,
            )
            for (names, _, _, fresh, _), some in sorted_in.items()
        ]
        assert self._plans is not None
        self._plans[i] = list(params), buckets
        self._seen = self.state, list(self.state.values())
        return buckets

    def _check_state(self, group: dict[str, Any], place: str, p: Any, state: dict[str, Any]) -> None:
        """Raises ValueError or TypeError for a state that does not fit the parameter."""
        who = type(self).__name__
        for name in filter(None, self.slots_of(group, p)):
            slot = state.get(name)
            if slot is None:
                continue
            shape = self.shape(name, p)
            if not isinstance(slot, torch.Tensor) or slot.shape != shape:
                came = tuple(slot.shape) if isinstance(slot, torch.Tensor) else type(slot).__name__
                raise ValueError(f"{who}: expected the state {name!r} of {place} of shape {tuple(shape)}, got {came}")
            if slot.dtype is not p.dtype or slot.device.type != "cpu":
                raise TypeError(
                    f"{who}: expected the state {name!r} of {place} to be {p.dtype} on the CPU, got {slot.dtype} on {slot.device}"
                )
            check_memory(who, f"the state {name!r} of {place}", slot)

    def _complete(self, group: dict[str, Any], p: Any, state: dict[str, Any], slots: tuple[str, ...]) -> bool:
        """Create what is missing in a state, in the parameter's memory order. Returns whether a slot was missing."""
        fresh = False
        if self.counted:
            step = state.get("step")
            if not isinstance(step, torch.Tensor) or step.dtype not in (torch.float32, torch.float64) or step.ndim:
                wide = torch.get_default_dtype() == torch.float64 and not group.get("fused")
                state["step"] = torch.tensor(float(step or 0), dtype=torch.float64 if wide else torch.float32)
            if not 0 <= float(state["step"]) < inf:
                raise ValueError(
                    f"{type(self).__name__}: expected a number of steps >= 0 in the state, got {float(state['step'])}"
                )
        for name in slots:
            slot = state.get(name)
            if slot is None:
                state[name], fresh = self._new_slot(group, p, name), True
            elif slot.shape == p.shape and (slot.stride() != p.stride() or slot.requires_grad):
                state[name] = torch.empty_like(p.detach(), dtype=slot.dtype, memory_format=torch.preserve_format)
                state[name].copy_(slot.detach())
        return fresh

    def _new_slot(self, group: dict[str, Any], p: Any, name: str) -> Any:
        return filled_like(p, self.start(name))

    def start(self, name: str) -> float:
        """The initial value of a slot.

        Args:
            name: One of `slots`.
        """
        return 0.0

    def _check(self, work: list[Work]) -> None:
        """Raises TypeError, ValueError or RuntimeError if a tensor is wrong. The message names the parameter."""
        who = type(self).__name__
        spans = []
        for group, bucket, grads in work:
            for p, g, state, place in zip(bucket.params, grads, bucket.states, bucket.places):
                check_param(who, place, p, self.dtypes)
                self._check_state(group, place, p, state)
                check_grad(who, place, p, g)
            spans += bucket.spans(grads)
        refuse_overlaps(who, spans)

    def _launch(self, group: dict[str, Any], bucket: Bucket, grads: list[Any]) -> None:
        steps = bucket.made  # `_work` has asked
        assert steps is not None
        no_sums: list[Array] = []
        bounds = no_sums, -1.0 if group.get("maximize") else 1.0, 0.0, 0.0, 0.0
        kernel, numbers = self.call(group, steps, bucket.fresh, bounds)
        try:
            if not bucket.plain or bucket.of_inference:
                raise TypeError
            bucket.plan(kernel, bucket.params, grads, *bucket.slots(), *numbers)
        except (TypeError, ValueError, RuntimeError):
            # The kernels check before they write. Raise an error that names the tensor, or copy the gradients to the layout of
            # the parameters.
            self._check([(group, bucket, grads)])
            params, grads, slots = bucket.flat(grads)
            kernel(params, grads, *slots, *numbers)
        self._made(bucket, bucket.params)

    def _made(self, bucket: Bucket, changed: list[Any]) -> None:
        """Count a step of a bucket, and the new versions of the tensors that it has changed."""
        bucket.count()
        _increment_version(changed)
        if bucket.fresh:
            bucket.fresh = False
            self._plans = None  # so that parameters that came later join the others

    def finite(self, **numbers: float) -> None:
        """Refuse hyperparameters that are not finite.

        Args:
            **numbers: Hyperparameters by name.

        Raises:
            ValueError: The message names the first one that is not finite.
        """
        for name, number in numbers.items():
            if not isfinite(number):
                raise ValueError(f"{type(self).__name__}: expected a finite {name}, got {number}")
