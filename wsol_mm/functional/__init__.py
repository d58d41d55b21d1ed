"""The mathematics: pure functions on arrays and tensors, without state, registry or toolbox."""
