# The same detector on true boxes: an upper end for the toy tables, not a weakly supervised result.
_base_ = "./faster_rcnn_r18_toy.py"

train_dataloader = dict(dataset=dict(supervision="boxes", pseudo_boxes=None))
