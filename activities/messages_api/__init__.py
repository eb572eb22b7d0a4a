"""Anthropic's Messages API: what the agents SDK asks of a model, said in its words, and its answers in the SDK's."""
