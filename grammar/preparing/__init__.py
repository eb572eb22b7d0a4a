"""What happens before a task's first model call: items, prompts, toolbox parameters, the schema of a value."""
