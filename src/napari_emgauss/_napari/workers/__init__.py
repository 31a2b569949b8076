"""The one way off the GUI thread: `worker.Worker` does work there, `gui_call.GuiCall` brings news back."""
