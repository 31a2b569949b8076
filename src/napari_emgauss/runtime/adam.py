"""Adam without torch's compiler, which takes longer to import than torch itself."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam


class Adam:
    """`torch.optim.Adam` to the last bit, or ``AdamW`` where weights decay.

    torch's own classes import its compiler with their first parameter: seconds of each process that trains. What they
    compute is a function that does without.

    Parameters
    ----------
    param_groups
        Each with its tensors as ``params`` and its rate as ``lr``.
    eps
        ε, added to the root of the second moment.
    weight_decay
        Share of a parameter that is taken away in each step, times the rate.
    fused
        Whether a step is one operation, on CUDA devices; the steps are counted there too.
    """

    def __init__(
        self, param_groups: list[dict[str, Any]], *, eps: float = 1e-8, weight_decay: float = 0.0, fused: bool = False
    ) -> None:
        self.param_groups = param_groups
        self.state: dict[Tensor, dict[str, Tensor]] = {}
        """``step``, ``exp_avg`` and ``exp_avg_sq`` of each parameter that was moved."""
        self._eps, self._weight_decay, self._fused = eps, weight_decay, fused

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            moved = [parameter for parameter in group["params"] if parameter.grad is not None]
            states = [self._state_of(parameter) for parameter in moved]
            adam(
                moved,
                [parameter.grad for parameter in moved],
                [state["exp_avg"] for state in states],
                [state["exp_avg_sq"] for state in states],
                [],
                [state["step"] for state in states],
                fused=self._fused or None,
                decoupled_weight_decay=self._weight_decay > 0,
                amsgrad=False,
                beta1=0.9,
                beta2=0.999,
                lr=group["lr"],
                weight_decay=self._weight_decay,
                eps=self._eps,
                maximize=False,
            )

    def _state_of(self, parameter: Tensor) -> dict[str, Tensor]:
        state = self.state.setdefault(parameter, {})
        if not state:
            state["step"] = torch.tensor(0.0)
            if self._fused:
                state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        return state
