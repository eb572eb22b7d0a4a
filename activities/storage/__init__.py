"""What outlives an attempt: journals of agent runs, documents and pages in payload storage."""
