"""Intents and slots of sets that were in no training, beside a nearest-neighbour tagger and logistic ones."""
