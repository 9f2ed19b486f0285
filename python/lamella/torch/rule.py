"""What the optimizers share: a step by kernels, in place. Everything around it is torch.optim's."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
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
# How a kernel reads gradients: see Bounds in cpp/table/bundles.def.
_NO_SUMS: list[Array] = []
DOWN, UP = (_NO_SUMS, 1.0, 0.0, 0.0, 0.0), (_NO_SUMS, -1.0, 0.0, 0.0, 0.0)

Kernel: TypeAlias = Callable[..., None]
# A parameter group, tensors of it and their gradients.
Work: TypeAlias = tuple[dict[str, Any], Bucket, list[Any]]


class Rule(Optimizer):  # type: ignore[misc]  # mypy does not read torch
    """A mixin before a class of torch.optim, which provides constructor and state.

    A subclass says which tensors of its state its kernel updates (`slots`) and which numbers the kernel takes (`numbers`).
    A step calls kernel(params, grads, *slots, *numbers, bounds).
    """

    kernel: Kernel

    # GradScaler leaves the gradients scaled, and sets grad_scale and found_inf before it calls step.
    _step_supports_amp_scaling = True
    counted = True  # whether the state has "step"
    dtypes: ClassVar[tuple[Any, ...]] = (torch.float32, torch.float64)
    # The buckets of each parameter group, for the parameters that had a gradient; and the state that they were made from, with
    # its values. No state: the buckets are made again.
    _plans: dict[int, tuple[list[Any], list[Bucket]]]
    _seen: Any = None
    _states: list[Any]

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

    def numbers(self, group: dict[str, Any], steps: float, fresh: bool) -> tuple[Any, ...]:
        """The arguments of the kernel between the lists and the bounds.

        Args:
            group: The parameter group.
            steps: The number of steps made before this one.
            fresh: Whether the slots are new.

        Raises:
            ValueError: A hyperparameter is not finite.
        """
        raise NotImplementedError

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As torch's, but a state_dict of another rule is refused before anything changes.

        Args:
            state_dict: Of this class, or of torch's class of the same rule.

        Raises:
            ValueError: Its groups lack numbers of this rule, or are not as many or as large as those of this optimizer.
        """
        hook = self.register_load_state_dict_pre_hook(_refuse_other_rules)  # runs after the user's, which may change state_dict
        try:
            super().load_state_dict(state_dict)
        finally:
            hook.remove()

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
            and _kernels.lists_fit([[bucket.params, grads, *bucket.slots] for _, bucket, grads in work])
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
        """The kernel calls of a step: for each one the group, the tensors and their gradients.

        It also finds their numbers, so that one that is not finite leaves all parameters as they were.
        """
        state = self.state
        if self._seen is not state or not _kernels.identical(state, self._states):
            self._plans = {}
        work: list[Work] = []
        for i, group in enumerate(self.param_groups):
            held, buckets = self._plans.get(i, _NONE)
            grads = _kernels.gradients(group["params"], held)
            if grads is None:  # other parameters have gradients than in the last step
                held, buckets = self._plan(i, group, [p for p in group["params"] if p.grad is not None])
                grads = [p.grad for p in held]
            for bucket in buckets:
                made = _kernels.common_count(*bucket.held)
                if made is None or bucket.of_group != self.slots(group):
                    self._seen = None  # the user wrote other counts or tensors into the state, or set a first momentum
                    return self._work()
                bucket.made, bucket.numbers = made, self.numbers(group, made, bucket.fresh)
                work.append((group, bucket, grads if len(buckets) == 1 else bucket.own(grads)))
        return work

    def _plan(self, i: int, group: dict[str, Any], params: list[Any]) -> tuple[list[Any], list[Bucket]]:
        """The entry of `_plans` for group i: these parameters, each with a state, and their buckets."""
        who = type(self).__name__
        for name in ("capturable", "differentiable"):
            if group.get(name):
                raise ValueError(f"{who}: {name}=True is not supported: steps are made on the CPU, outside of autograd's graph")
        places = {id(p): f"parameter {k} of group {i}" for k, p in enumerate(group["params"])}
        if len(places) < len(group["params"]):
            raise ValueError(f"{who}: expected each parameter once in group {i}, got one of them more often")
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
        sorted_in: dict[tuple[Any, ...], list[int]] = {}
        for k, p in enumerate(params):
            names = self.slots_of(group, p)
            slots = tuple(filter(None, names))
            state = self.state[p] if slots or self.counted else {}
            fresh = self._complete(group, p, state, slots)
            steps = float(state["step"]) if self.counted else 0.0
            sorted_in.setdefault((names, p.dtype, state["step"].dtype if self.counted else None, fresh, steps), []).append(k)
        buckets = [
            Bucket(
                [params[k] for k in some],
                [self.state[params[k]] if any(names) or self.counted else {} for k in some],
                names,
                [places[id(params[k])] for k in some],
                some,
                self.slots(group),
                counted=self.counted,
                fresh=fresh,
            )
            for (names, _, _, fresh, _), some in sorted_in.items()
        ]
        self._plans[i] = params, buckets
        self._seen, self._states = self.state, list(self.state.values())
        return params, buckets

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
            step: Any = state.get("step")
            # A state that was saved on another device has its step there.
            fits = isinstance(step, torch.Tensor) and step.dtype in (torch.float32, torch.float64) and step.device.type == "cpu"
            if not fits or step.ndim:
                wide = torch.get_default_dtype() == torch.float64 and not group.get("fused")
                state["step"] = torch.tensor(float(step or 0), dtype=torch.float64 if wide else torch.float32, device="cpu")
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
        bounds = UP if group.get("maximize") else DOWN
        try:
            if not bucket.plain or (bucket.single and bucket.negative(grads)):
                raise TypeError
            bucket.plan.step(self.kernel, bucket.params, grads, bucket.slots, bucket.numbers, bounds)
        except (TypeError, ValueError, RuntimeError):
            # The kernels check before they write. Raise an error that names the tensor, or copy the gradients to the layout of
            # the parameters.
            self._check([(group, bucket, grads)])
            params, grads, slots = bucket.flat(grads)
            self.kernel(params, grads, *slots, *bucket.numbers, bounds)
        self._made(bucket, bucket.params)

    def _made(self, bucket: Bucket, changed: list[Any]) -> None:
        """Count a step of a bucket, and the new versions of the tensors that it has changed."""
        if bucket.counts is not None:
            _kernels.count_up(bucket.counts)
        _increment_version(changed)
        if bucket.fresh:
            bucket.fresh = False
            self._seen = None  # so that parameters that came later join the others


def _refuse_other_rules(optimizer: Any, state_dict: dict[str, Any]) -> None:
    """Raises ValueError if the rule cannot read the groups of a state_dict."""
    who = type(optimizer).__name__
    if not {"state", "param_groups"} <= state_dict.keys():
        raise ValueError(
            f"{who}: expected the state_dict of an optimizer, got one with the keys {', '.join(map(str, state_dict))}"
        )
    # What groups of an older torch lack; torch's __setstate__ adds it.
    options = {name: value for name, value in optimizer.defaults.items() if value is None or isinstance(value, (bool, str))}
    for i, group in enumerate(state_dict["param_groups"]):
        try:
            optimizer.slots({**options, **group})
            optimizer.numbers({**options, **group}, 0.0, False)
        except (KeyError, TypeError) as error:
            wrong = f"without {error}" if isinstance(error, KeyError) else str(error)
            names = ", ".join(name for name in group if name != "params" and name not in options)
            raise ValueError(
                f"{who}: expected a state_dict of the same rule, got group {i} {wrong}; its numbers are {names}"
            ) from None
