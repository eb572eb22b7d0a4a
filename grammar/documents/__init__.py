"""What a document may say: its fields, their meaning, values, references, rules of a dry run."""
