"""Second-stage heads that extend mmdet's."""

from wsol_mm.models.roi_heads.batch_roi_head import BatchRoIHead
from wsol_mm.models.roi_heads.cln_heads import CLNBBoxHead, CLNRoIHead

__all__ = ["BatchRoIHead", "CLNBBoxHead", "CLNRoIHead"]
