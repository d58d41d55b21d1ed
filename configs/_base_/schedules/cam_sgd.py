# The reference benchmark's optimiser. Which parameters learn ten times as fast depends on the
# network (models/*_cam.py), the rate on network and data set (cam/*.py).
optim_wrapper = dict(
    type="OptimWrapper", optimizer=dict(type="SGD", lr=0.01, momentum=0.9, nesterov=True)
)
