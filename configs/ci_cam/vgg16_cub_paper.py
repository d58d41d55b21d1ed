# What CI-CAM's text says where its code does otherwise: every arg-max updates the pool (eq. 7), which
# is used afterwards; beta2 .99 (section 4.2); combination from the best class down (section 3.1);
# one box per image at threshold 0, on the full frame.
_base_ = "./vgg16_cub.py"

model = dict(
    head=dict(
        context_pool=dict(update_on="argmax", update_order="before"),
        combination=dict(name="signed_quadratic", split=100),
    )
)
optim_wrapper = dict(optimizer=dict(betas=(0.9, 0.99)))
test_evaluator = dict(protocol="ci_cam", threshold="oracle")
