"""What was made of particles: the map as it comes, its resolution, and what is kept of it."""
