"""What makes a run a dry run: its rules bound to the bundle, and placeholders that fit what is read of them."""
