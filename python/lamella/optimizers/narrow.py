"""The base of optimizers with slots of few bits, parameters of bfloat16, and clipping, clearing and copies in one pass."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from operator import index
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lamella import _kernels
from lamella.core.types import Array
from lamella.optimizers import memory
from lamella.optimizers.arguments import bound

BITS = {"float32": 32, "bfloat16": 16, "8bit": 8}
_BLOCK = 256  # elements of a scale, kBlock of cpp/kernels/optimizer/storage.h
Bytes = NDArray[np.uint8]
# The fields of Narrow in cpp/table/bundles.def.
Storage = tuple[list[Bytes], list[Bytes], list[Bytes], int, int, float, int, int, int]


class Narrow:
    """Base of NarrowAdamW, NarrowLion and NarrowSGD, which step on arrays without a model.

    The state belongs to the places of the parameters in the list: views made anew, and other memory, go on with it.

    Args:
        lr: Learning rate, a number >= 0. It may be changed between steps, as `lr`.
        state: "float32", "bfloat16" or "8bit": the storage of the slots. "8bit" has blocks of 256 elements with one scale each, a
            power of two; a code has 3 bits of mantissa. A block with a NaN or a number above 1.5e38 becomes NaN.
        clipnorm: Bound of the global norm of the gradients, as torch.nn.utils.clip_grad_norm_: they are multiplied by
            min(1, clipnorm / (norm + 1e-6)). None for no bound.
        stochastic: Whether bfloat16 and 8-bit numbers are rounded up or down at random, with the value as the mean. Otherwise they
            are rounded to nearest, and changes below half a unit are lost.
        seed: Of the random numbers, which do not depend on threads or targets: a whole number, of which 64 bits count.

    Raises:
        TypeError: Another keyword was given, or seed is no whole number.
        ValueError: An argument is out of range.

    Source: block-wise scales as in Dettmers et al. 2022 (arXiv 2110.02861), with another code; Blackman & Vigna
        2021 (xoshiro128++) for the random bits of the rounding.
    """

    slots: ClassVar[tuple[str, ...]] = ("ms",)
    decays: ClassVar[tuple[str, ...]] = ()  # names of hyperparameters that are below 1

    def __init__(
        self,
        lr: float,
        *,
        state: str = "bfloat16",
        clipnorm: float | None = None,
        stochastic: bool = True,
        seed: int = 0,
        **unknown: object,
    ) -> None:
        for name in unknown:
            raise TypeError(f"{type(self).__name__}: unexpected keyword argument {name!r}")
        if state not in BITS:
            raise ValueError(f"{type(self).__name__}: expected state to be one of {', '.join(BITS)}, got {state!r}")
        self.lr = lr
        self.state, self.clipnorm = state, bound("clipnorm", clipnorm)
        self.stochastic, self.seed = bool(stochastic), index(seed)
        self.iterations = 0
        self._slots: list[list[Bytes]] | None = None

    def step(
        self,
        params: Sequence[Any],
        grads: Sequence[Any],
        *,
        scale: float = 1.0,
        zero: bool = False,
        copies: Sequence[Any] | None = None,
    ) -> float | None:
        """Update `params` in place by one step along `grads`.

        Args:
            params: C-contiguous writable arrays, all float32 or all bfloat16: of ml_dtypes, the bits as uint16, or CPU tensors of
                torch.bfloat16. Other objects are accepted as in Optimizer.step.
            grads: One for each parameter, of the same shape, all float32 or all bfloat16.
            scale: The gradients are multiplied by it before they are clipped, as 1 / scale of a loss.
            zero: Whether the gradients become 0.
            copies: bfloat16 arrays of the shapes of float32 parameters, which receive the new values, rounded to nearest.

        Returns:
            The norm of the scaled gradients before clipping, or None without clipnorm.

        Raises:
            TypeError, ValueError: An array or number is not accepted. The message names it, and nothing is modified.
        """
        who = type(self).__name__
        params, grads, copies = list(params), list(grads), None if copies is None else list(copies)
        self.check_numbers()
        if not math.isfinite(scale):
            raise ValueError(f"{who}: expected a finite scale, got {scale!r}")
        ps, gs = self._arrays("parameter", params, True), self._arrays("gradient", grads, bool(zero))
        if not ps:
            raise ValueError(f"{who}: expected at least one parameter array, got none")
        self._same_shapes("gradient", ps, gs)
        to = [] if copies is None else self._arrays("copy", copies, True)
        if copies is not None:
            self._same_shapes("copy", ps, to)
            if _narrow(ps) or not _narrow(to):
                raise TypeError(
                    f"{who}: expected copies of bfloat16 for parameters of float32, got {to[0].dtype} for {ps[0].dtype}"
                )
        if not zero:  # the kernel takes writable gradients with memory of their own, but then does not write them
            gs = [g if g.flags.writeable else g.copy() for g in gs]
            if not _kernels.lists_fit([[_bytes(gs)]]):
                gs = [g.copy() for g in gs]
        slots = self._slots_for(ps)
        norm = self._norm(gs, scale) if self.clipnorm is not None else None
        if norm is not None and self.clipnorm is not None:
            scale *= min(1.0, self.clipnorm / (norm + 1e-6)) if norm == norm else norm
        wide = [[] if _narrow(arrays) else arrays for arrays in (ps, gs)]
        narrow = [_bytes(arrays) if _narrow(arrays) else [] for arrays in (ps, gs)]
        seed = (self.seed + 2**63) % 2**64 - 2**63
        storage = *narrow, _bytes(to), BITS[self.state], int(zero), scale, int(self.stochastic), seed, self.iterations
        self.call(wide[0], wide[1], slots, cast(Storage, storage))
        self._slots = slots
        self.iterations += 1
        memory.note_change([*params, *(grads if zero else ()), *(copies or ())])
        return norm

    def get_state(self) -> dict[str, NDArray[np.generic]]:
        """Copies of iterations and of the bytes of each slot; with a state of the same `state` a resume is bit-identical."""
        state: dict[str, NDArray[np.generic]] = {"iterations": np.asarray(np.int64(self.iterations))}
        for name, slot in zip(self.slots, self._slots or [[] for _ in self.slots]):
            state |= {f"{name}_{self.state}_{i}": array.copy() for i, array in enumerate(slot)}
        return state

    def set_state(self, state: Mapping[str, ArrayLike]) -> None:
        """Set the state that `get_state` returned.

        Args:
            state: The arrays by name. The names tell their storage.

        Raises:
            ValueError: It is the state of another rule or of another storage, or of other parameters. Nothing is set.
        """
        who = type(self).__name__
        count, rest = divmod(len(state) - 1, len(self.slots))
        names = [[f"{name}_{self.state}_{i}" for i in range(count)] for name in self.slots]
        if rest or set(state) != {"iterations", *(name for own in names for name in own)}:
            raise ValueError(f"{who}: expected iterations and {', '.join(self.slots)} of {self.state}, got {list(state)}")
        slots = [[np.array(state[name]) for name in own] for own in names]
        for own, slot in zip(names, slots):
            for name, array in zip(own, slot):
                if array.dtype != np.uint8 or array.ndim != 1:
                    raise ValueError(f"{who}: expected {name} to be bytes in one axis, got {array.dtype} {array.shape}")
        wanted, came = ([[a.size for a in slot] for slot in some] for some in (self._slots or slots, slots))
        if came != wanted:
            raise ValueError(
                f"{who}: the state belongs to parameters of other shapes: expected slots of {wanted} bytes, got {came}"
            )
        iterations = np.asarray(state["iterations"])
        if iterations.ndim or iterations.dtype.kind not in "iu" or iterations < 0:
            raise ValueError(f"{who}: expected iterations to be a whole number >= 0, got {iterations!r}")
        self.iterations = int(iterations)
        self._slots = slots if count else None

    def call(self, params: list[Array], grads: list[Array], slots: list[list[Bytes]], storage: Storage) -> None:
        """Call the rule's kernel.

        Args:
            params: Those of float32; of bfloat16 the list is empty, and `storage` has their bytes.
            grads: Likewise.
            slots: The bytes of each slot, one array for each parameter.
            storage: The fields of Narrow in cpp/table/bundles.def.
        """
        raise NotImplementedError

    def numbers(self) -> dict[str, float]:
        """The hyperparameters, by name."""
        return {"lr": self.lr}

    def check_numbers(self) -> None:
        """Raise ValueError unless the hyperparameters are finite numbers >= 0, and those of `decays` below 1."""
        for name, number in self.numbers().items():
            if not (math.isfinite(number) and number >= 0):
                raise ValueError(f"{type(self).__name__}: expected {name} to be a finite number >= 0, got {number!r}")
            if name in self.decays and not number < 1:
                raise ValueError(f"{type(self).__name__}: expected {name} below 1, got {number!r}")

    def _arrays(self, noun: str, objects: Sequence[Any], written: bool) -> list[Array]:
        """The arrays, with those of bfloat16 as uint16."""
        who = type(self).__name__
        arrays = list(memory.arrays_over(who, noun, [memory.bfloat16_as_bits(x) for x in objects]))
        for i, x in enumerate(arrays):
            if not isinstance(x, np.ndarray) or x.dtype not in (np.dtype(np.float32), np.dtype(np.uint16)):
                came = x.dtype if isinstance(x, np.ndarray) else type(x).__name__
                raise TypeError(f"{who}: expected {noun} {i} to be an array of float32 or bfloat16, got {came}")
            if x.dtype != arrays[0].dtype:
                raise TypeError(f"{who}: expected one dtype for all, got {arrays[0].dtype} and {x.dtype} of {noun} {i}")
            if not (x.flags.c_contiguous and x.flags.aligned and (x.flags.writeable or not written)):
                came = f"shape {x.shape} with strides {x.strides}, {'' if x.flags.writeable else 'not '}writable"
                raise ValueError(
                    f"{who}: expected {noun} {i} to be C-contiguous, aligned{' and writable' if written else ''}, got {came}"
                )
        return arrays

    def _same_shapes(self, noun: str, params: list[Array], arrays: list[Array]) -> None:
        who = type(self).__name__
        if len(arrays) != len(params):
            raise ValueError(f"{who}: expected one {noun} for each of {len(params)} parameters, got {len(arrays)}")
        for i, (p, x) in enumerate(zip(params, arrays)):
            if x.shape != p.shape:
                raise ValueError(f"{who}: expected {noun} {i} of shape {p.shape}, got {x.shape}")

    def _slots_for(self, params: list[Array]) -> list[list[Bytes]]:
        sizes = [self._bytes_of(p.size) for p in params]
        if self._slots is None:
            return [[np.zeros(size, np.uint8) for size in sizes] for _ in self.slots]
        kept = [a.size for a in self._slots[0]] if self._slots else sizes
        if kept != sizes:
            raise ValueError(
                f"{type(self).__name__}: the state belongs to other parameters: expected slots of {kept} bytes, got parameters for "
                f"{sizes}"
            )
        return self._slots

    def _bytes_of(self, size: int) -> int:
        return bytes_of_codes(size) if self.state == "8bit" else size * BITS[self.state] // 8

    def _norm(self, grads: list[Array], scale: float) -> float:
        norm = np.zeros(1, np.float32)
        _kernels.gradient_norm(*(([], _bytes(grads)) if _narrow(grads) else (grads, [])), norm)
        return abs(scale) * float(norm[0])


def bytes_of_codes(size: int) -> int:
    """The bytes of a slot of 8 bits for `size` elements: the scales of its blocks, then its codes."""
    return 4 * -(-size // _BLOCK) + size


def _narrow(arrays: list[Array]) -> bool:
    return bool(arrays) and arrays[0].dtype.itemsize == 2


def _bytes(arrays: list[Array]) -> list[Bytes]:
    return [x.reshape(-1).view(np.uint8) for x in arrays]
