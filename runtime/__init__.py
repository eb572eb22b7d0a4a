"""How a process meets Temporal: connection, data converter, embedded server, sandbox, exit."""
