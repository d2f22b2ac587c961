"""Ask a coordinatewise rule what it does, on gradients that it is given or might be given next."""

import torch
from torch import Tensor

from l2l_lite.rules import UpdateRule


@torch.no_grad()
def replay(rule: UpdateRule, grads: Tensor) -> Tensor:
    """The steps, like grads [steps, ...], that a rule proposes for a sequence of gradients.

    With the gradients of another rule's trajectory: what this rule would have done there.
    """
    state, steps = rule.init(grads[0]), []
    for grad in grads:
        step, state = rule(grad, state)
        steps.append(step)
    return torch.stack(steps)


@torch.no_grad()
def response(rule: UpdateRule, history: Tensor, grads: Tensor) -> Tensor:
    """The next step [coordinates, m] for each of m grads, in the state after a history [steps, coordinates].

    Every coordinate is copied m times, so the rule must be coordinatewise (Andrychowicz et al., 2016,
    Appendix B, figures 11 to 13).
    """
    candidates = grads.repeat(history.shape[1])  # [coordinates * m]
    state = rule.init(candidates)
    for past in history:
        _, state = rule(past.repeat_interleave(len(grads)), state)
    return rule(candidates, state)[0].reshape(-1, len(grads))
