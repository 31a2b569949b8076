"""What was made of slices: the volume as a layer, how the slices moved, which of them do not fit."""
