"""What `starter.py` can be asked to do, one module each."""
