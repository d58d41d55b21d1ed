# WEND's Table 6: a detector on features as ImageNet left them, statistics of batch norm included.
frozen = dict(detector=dict(backbone=dict(frozen_stages=4)))
