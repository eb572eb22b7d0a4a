"""An agent run: its conversation, the model's client, what it produced."""
