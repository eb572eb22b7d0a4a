"""The embedded Temporal server: started, supervised, shared, and served by a worker process."""
