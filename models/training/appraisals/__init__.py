"""Appraisals: tasks whose queries are known, what their supports show, and what is fitted to it."""
