# UPPER BOUND that reads the true boxes of the training images, no weakly supervised result: each class's context
# is the mean of its box masks.
_base_ = "./efficientnet_lite0_cub.py"

model = dict(head=dict(context_pool=dict(_delete_=True, type="wsol_mm.OracleContextPool", size=14)))
train_dataloader = dict(dataset=dict(supervision="boxes"))
custom_hooks = [dict(type="wsol_mm.OracleContextHook")]
