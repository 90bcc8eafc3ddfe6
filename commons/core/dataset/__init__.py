"""A dataset: its manifest, packs, contents, terms and rule, its name and where it is to be had."""
