"""The one import name of the installed package: whatever else is ours lies below it, in `app/`."""
