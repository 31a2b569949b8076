"""What a round of the fit is made of: amplitudes, motion, brightness and weights, and the evidence for the motion."""
