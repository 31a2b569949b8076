"""Volumes on another grid from anything that renders sections: planes, boxes, export."""
