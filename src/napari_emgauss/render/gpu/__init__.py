"""The ``triton`` backend: weighted sums of Gaussians, and their tangent maps, as kernels for GPUs."""
