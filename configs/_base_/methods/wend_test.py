# WEND's test of a detector: the middle 224 of 256 px seen (`centre_crop_pipeline` of the data sets), ground
# truth clipped to it.
wend_test = dict(protocol="wend")
