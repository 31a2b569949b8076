"""Local refinement of views: pose, shift and defocus of every particle, if hidden images ask for it."""
