"""The codec server: what Temporal's Web UI and its command ask to show what is encrypted."""
