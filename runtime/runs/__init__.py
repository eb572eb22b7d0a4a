"""Runs as a client sees them: started, followed, signalled, listed, scheduled."""
