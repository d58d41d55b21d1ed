# Control: every image is enhanced by the mean over all classes' contexts (eq. 6's 1/n sum).
_base_ = "./efficientnet_lite0_cub.py"

model = dict(head=dict(context_pool=dict(type="wsol_mm.AveragedContextPool")))
