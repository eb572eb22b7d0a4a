"""MCP servers: started, pooled, connected, called."""
