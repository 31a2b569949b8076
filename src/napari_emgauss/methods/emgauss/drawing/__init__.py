"""Drawing of sections from the blocks that cover them: composed, across z, and merged for quick small views."""
