"""From a file to a bundle: read, resolved, checked, linted, drawn."""
