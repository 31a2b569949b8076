"""Back-projection of particles: sums over images, the plain filtered map, and the most probable one."""
