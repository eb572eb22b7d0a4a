"""The order of things: deterministic, replayable, and free of everything that touches the world."""
