"""A run with a budget while its processes die: python -m tests.budgets [--seeds N]. Each seed is a limit, and kills."""
