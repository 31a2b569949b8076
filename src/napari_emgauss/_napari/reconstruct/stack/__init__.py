"""Choice of the stack to train on, and of the sections to leave out."""
