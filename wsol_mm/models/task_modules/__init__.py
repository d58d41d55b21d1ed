"""What mmdet's assigners and samplers decide, for all images of a batch at once."""

from wsol_mm.models.task_modules.batch_sampling import (
    BatchSamplingResult,
    can_batch,
    same_frame,
    sample_batch,
)

__all__ = ["BatchSamplingResult", "can_batch", "same_frame", "sample_batch"]
