"""Flows and runs as Mermaid text and as HTML pages that are whole in themselves."""
