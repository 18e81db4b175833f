"""Rows of small tables told apart, beside other ways to do so."""
