"""A run while whatever dies dies: python -m tests.chaos [--seeds N]. Each seed is a schedule of faults."""
