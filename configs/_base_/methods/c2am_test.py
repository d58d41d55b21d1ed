# The authors' view and test: squashed to 480, the middle 448 px seen, ground truth clipped to it,
# classes averaged. They chose the threshold on the boxes they report; here it is the best of val.
c2am_test = dict(
    view=[
        dict(type="wsol_mm.Resize", scale=(480, 480)),
        dict(type="wsol_mm.CenterCrop", crop_size=448),
    ],
    evaluator=dict(protocol="c2am"),
)
