"""Clusters of rows."""
