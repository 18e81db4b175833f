"""Regression, few examples a task: against the best predictor there is, against papers, against mixed models."""
