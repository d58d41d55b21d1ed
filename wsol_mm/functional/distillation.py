"""What a student is taught by experts: their class probabilities and their class activation maps.

Shao et al., *Knowledge-guided Causal Intervention for WSOL* (KG-CI-CAM), section III-C. Losses come
per image; none is scaled by the square of the temperature, as in the paper.
"""

from typing import Literal, get_args

import torch
from torch import Tensor

KLInput = Literal["log_probabilities", "probabilities"]
Squash = Literal["softmax", "sigmoid"]

__all__ = ["KLInput", "Squash", "activation_guidance", "draw_routes", "logits_guidance"]


def logits_guidance(
    student: Tensor,
    expert: Tensor,
    temperature: float,
    *,
    kl_input: KLInput = "log_probabilities",
) -> Tensor:
    """Kullback-Leibler divergence of the student's class probabilities from the expert's.

    ``sum_k q_k (log q_k - log p_k)`` with the expert's q and the student's p, softmaxes of logits
    over ``temperature``; zero exactly where they agree. The released code hands p instead of log p
    to its divergence: ``kl_input='probabilities'`` is ``sum_k q_k (log q_k - p_k)``, which is not
    zero there and whose gradient is far smaller at high temperatures.

    Args:
        student: Logits (B, K), floating.
        expert: Logits (B, K); without gradient if it must not learn.
        temperature: T, positive.
        kl_input: ``log_probabilities`` (the divergence) or ``probabilities`` (the released slip).

    Returns:
        float32 (B,), whatever the surrounding precision; its mean is eq. 9.

    Raises:
        ValueError: Shapes that differ, an unknown choice or a temperature that is not positive.

    Source: eq. 9; the direction is that of the released code.

    Example:
        >>> from math import log
        >>> student, expert = torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, 2 * log(3)]])
        >>> logits_guidance(student, expert, 2.0)  # q = (1/4, 3/4), p = (1/2, 1/2)
        tensor([0.1308])
        >>> logits_guidance(expert, expert, 2.0)
        tensor([0.])
    """
    _check(student, expert, temperature, "kl_input", kl_input, get_args(KLInput))
    log_q = (expert.float() / temperature).log_softmax(dim=1)
    scaled = student.float() / temperature
    given = scaled.log_softmax(1) if kl_input == "log_probabilities" else scaled.softmax(1)
    return (log_q.exp() * (log_q - given)).sum(dim=1)


def activation_guidance(
    student: Tensor, expert: Tensor, temperature: float, *, squash: Squash = "softmax"
) -> Tensor:
    """Mean squared difference of softened class activation maps, over all classes and positions.

    Args:
        student: Raw maps (B, K, h, w), floating.
        expert: Raw maps of the same shape; without gradient if it must not learn.
        temperature: T, positive; maps are divided by it.
        squash: ``softmax`` over the classes at each position, the paper's ``soft`` as it defines it
            under eq. 9, or ``sigmoid`` of each value (the released code).

    Returns:
        float32 (B,), whatever the surrounding precision; its mean is eq. 10.

    Raises:
        ValueError: Shapes that differ, an unknown choice or a temperature that is not positive.

    Source: eq. 10.

    Example:
        >>> from math import log
        >>> expert = torch.tensor([[[[0.0, 0.0]], [[0.0, 2 * log(7)]]]])  # 2 classes, 2 positions
        >>> student = torch.zeros_like(expert)
        >>> activation_guidance(student, expert, 2.0)  # (1/2, 1/2) twice; (1/2, 1/2), (1/8, 7/8)
        tensor([0.0703])
        >>> activation_guidance(student, expert, 2.0, squash="sigmoid")  # 1/2; 1/2 but for one 7/8
        tensor([0.0352])
    """
    _check(student, expert, temperature, "squash", squash, get_args(Squash))
    ours, theirs = (maps.float() / temperature for maps in (student, expert))
    if squash == "softmax":
        ours, theirs = ours.softmax(dim=1), theirs.softmax(dim=1)
    else:
        ours, theirs = ours.sigmoid(), theirs.sigmoid()
    return (ours - theirs).square().mean(dim=(1, 2, 3))


def draw_routes(count: int, experts: int) -> Tensor:
    """The one expert that guides each image, or none, all equally likely (released code).

    Args:
        count: Images B.
        experts: Experts E.

    Returns:
        int64 (B,) on the CPU, from torch's global stream: 0 for none, else the expert 1..E.

    Example:
        >>> draw_routes(1000, 2).bincount().shape
        torch.Size([3])
    """
    return torch.randint(experts + 1, (count,))


def _check(
    student: Tensor,
    expert: Tensor,
    temperature: float,
    key: str,
    value: str,
    choices: tuple[str, ...],
) -> None:
    """Refuse what would be broadcast, and unknown choices."""
    if student.shape != expert.shape:
        raise ValueError(
            f"student {tuple(student.shape)} and expert {tuple(expert.shape)} differ in shape: "
            "expected the same images, classes and positions"
        )
    if value not in choices:
        raise ValueError(f"{key}={value!r}: expected one of {choices}")
    if not temperature > 0:
        raise ValueError(f"temperature={temperature}: expected a positive number")
