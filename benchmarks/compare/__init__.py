"""The existing engine (PyPI `seclab-taskflow-agent`) as a black box beside ours: same flows, same scripted model."""
