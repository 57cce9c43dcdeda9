"""Means over several batches and several processes, exact however unequal they are.

A mean of means is wrong as soon as the parts are unequal. So every part differentiates its sum; at the end gradients
are divided, once, by the weight of everything.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import distributed

from lossmith.engine.reduce import Total

Tensor = Any


def gathered(total: Total, group: Any = None) -> Total:
    """The total of all processes, with the same bits in each: added in the order of their ranks. No gradient."""
    both = (torch.as_tensor(x, dtype=torch.float64, device="cpu").detach() for x in (total.sum, total.weight))
    own = torch.stack(list(both))
    if not _together():
        return Total(*own.tolist())
    if distributed.get_backend(group) == "nccl":
        own = own.cuda()
    parts = [torch.empty_like(own) for _ in range(distributed.get_world_size(group))]
    distributed.all_gather(parts, own, group=group)
    found: Total = sum((Total(*part.tolist()) for part in parts[1:]), start=Total(*parts[0].tolist()))
    return found


def mean_gradients(parameters: Iterable[Tensor], total: Total, *, group: Any = None, averaged: bool = True) -> Total:
    """Turn the gradients of sums into the gradient of the mean over everything; returns the total of everything.

    ``total`` is the sum of the totals that this process has differentiated: ``criterion.total(...).sum.backward()`` for
    each batch. Where processes work together, the gradients must have been exchanged already; ``averaged`` says that
    they were averaged (DistributedDataParallel, FSDP) and not summed. Raises ValueError where nothing has any weight.
    """
    everything = gathered(total, group)
    if not everything.weight > 0:
        raise ValueError("there is nothing to average: no samples, or a total weight of zero")
    share = distributed.get_world_size(group) if averaged and _together() else 1
    for parameter in parameters:
        if parameter.grad is not None:
            parameter.grad.mul_(share / everything.weight)
    return everything


def _together() -> bool:
    return bool(distributed.is_available() and distributed.is_initialized())
