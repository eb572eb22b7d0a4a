"""What every activity needs of its process: child processes, heartbeats, secrets, the edge for errors."""
