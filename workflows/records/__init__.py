"""What is known of a run so far: its tasks and branches, what they published, and what waits for a person."""
