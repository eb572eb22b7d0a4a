"""The built-in toolboxes: MCP servers, and the documents that say how to run them."""
