"""A transparency log as C2SP writes it: tree, notes, checkpoints, tiles, proofs, policies. Knows nothing of commons."""
