"""What an endpoint takes: requests wait for their turn, with those of all other workers."""
