# SD-CAM behind TokenCut's configs: the class chooses the side of the cut.
sd_cam = dict(head=dict(type="wsol_mm.SDCAMHead"))
