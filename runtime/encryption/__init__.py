"""Encryption of everything that is kept: its keys, and the codec that uses them."""
