# A combined map for every class: the class that a map is for is put on the first rank, so that GT-known
# means what it means for CAM. Training is that of vgg16_cub.py.
_base_ = "./vgg16_cub.py"

model = dict(head=dict(ranks="label"))
