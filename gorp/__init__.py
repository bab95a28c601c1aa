"""GORP: continual fine-tuning of language models inside low-rank gradient subspaces (Wang et al., ACL 2025)."""

__version__ = "0.1.0"
