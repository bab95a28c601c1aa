"""Continual-learning methods, one file each, on the protocol of `base`; `registry` finds them."""
