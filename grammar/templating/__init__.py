"""Jinja templates: rendered, checked before a run, and what they read."""
