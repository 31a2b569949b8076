"""The widget that shows a job: its blocks, what is done of it, and who works on it."""
