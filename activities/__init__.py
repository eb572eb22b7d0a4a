"""Every touch of the outside world: models, MCP servers, shells, the environment."""
