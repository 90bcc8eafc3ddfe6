"""The owner's verbs, one function each, by what they are about: see `commons.node.desk` for how they are called."""
