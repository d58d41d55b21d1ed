"""Pictures of maps and boxes."""

from wsol_mm.visualization.visualization_hook import WSOLVisualizationHook

__all__ = ["WSOLVisualizationHook"]
