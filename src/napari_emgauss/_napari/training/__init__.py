"""What widgets that train share: the run in the background, its panel, its curves."""
