"""What the starter, the workflow, its activities and its followers tell each other."""
