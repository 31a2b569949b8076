"""The models: next steps with them, and the list of those that are open or were saved."""
