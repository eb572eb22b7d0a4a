"""How a model is reached, and what it takes: which one, where, with what key, at what price, after what wait."""
