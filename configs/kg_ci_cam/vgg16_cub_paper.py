# What KG-CI-CAM's text says where its code does otherwise: every arg-max updates the pool (eq. 6), which
# is used afterwards; softmax of activations (eq. 10); beta2 .99; combination from the best class down.
_base_ = "./vgg16_cub.py"

model = dict(
    head=dict(
        pool_update="argmax",
        update_order="before",
        combination=dict(name="signed_quadratic", split=100),
    ),
    loc_guidance=dict(squash="softmax"),
)
optim_wrapper = dict(optimizer=dict(betas=(0.9, 0.99)))
