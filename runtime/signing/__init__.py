"""Who a run comes from: its input, and all that workers hand each other of it, is signed by a key of its owner's."""
