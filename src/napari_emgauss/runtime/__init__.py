"""The machine: threads, compiled kernels, memory."""
