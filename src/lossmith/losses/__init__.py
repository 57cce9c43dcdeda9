"""The catalogue: formulas and nothing else, one file a family. Every module here is read by the registry."""
