"""The bench of photographs: pretrained features, every method's claim, intervals."""
