"""The thesis's questions, each measured: techniques, settings, claims, classifiers compared (thesis 2.3, 3)."""
