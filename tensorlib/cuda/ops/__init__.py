"""Operations on GPU tensors. The module of each name here is the twin of that in _ops, function by function."""
