"""What a run may use up, when a task is braked, and when a person is asked first (specification section 11). Pure."""
