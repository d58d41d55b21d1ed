# What KG-CI-CAM's text says where its code does otherwise, for all that it trains with VGG-16 on CUB:
# every arg-max updates the pool (eq. 6), which is used afterwards; combination from the best class
# down; three non-local blocks, RandAugment and beta2 .99 (section IV-B). RandAugment's numbers are the
# released code's (3 policies, level 10 of 30, before the crop), which has it for some images only.
_base_ = "./vgg16_cub_ci_cam.py"

model = dict(
    layers=_base_.model.layers[1:],
    head=dict(
        context_pool=dict(update_on="argmax", update_order="before"),
        combination=dict(name="signed_quadratic", split=100),
    ),
)
train_pipeline = [
    _base_.train_pipeline[0],
    dict(
        type="RandAugment",
        policies="timm_increasing",
        num_policies=3,
        magnitude_level=10,
        total_level=30,
    ),
    *_base_.train_pipeline[1:],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
optim_wrapper = dict(optimizer=dict(betas=(0.9, 0.99)))
