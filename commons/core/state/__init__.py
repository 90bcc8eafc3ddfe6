"""The fold: entries in, who may what out."""
