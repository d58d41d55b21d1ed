"""Where half precision must stay out."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def full_precision(tensor: Tensor) -> AbstractContextManager:
    """Autocast switched off on the tensor's device; nothing where there is no autocast (meta).

    Args:
        tensor: Any tensor of the computation; it is not converted.

    Returns:
        A context for a ``with`` statement.

    Example:
        >>> with torch.autocast("cpu", torch.bfloat16), full_precision(torch.ones(1)):
        ...     (torch.ones(2, 2) @ torch.ones(2, 2)).dtype
        torch.float32
    """
    device = tensor.device.type
    if not torch.amp.is_autocast_available(device):
        return nullcontext()
    return torch.autocast(device, enabled=False)
