"""Measurements that are run by hand, as modules."""
