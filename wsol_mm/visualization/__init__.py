"""Pictures of maps and boxes, and where they go."""

from wsol_mm.visualization.tensorboard_backend import OptionalTensorboard
from wsol_mm.visualization.visualization_hook import WSOLVisualizationHook

__all__ = ["OptionalTensorboard", "WSOLVisualizationHook"]
