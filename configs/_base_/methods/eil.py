# EIL's erased branch. Threshold and weight are from memory of the paper, not checked against it.
eil = dict(
    # every position above the threshold
    layer=dict(type="wsol_mm.AttentiveDropout", threshold=0.7, drop_prob=1.0),
    loss="classification",
    loss_weight=1.0,
)
