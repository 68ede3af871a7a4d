"""Fails while it initialises."""

raise ValueError("no luck today")
