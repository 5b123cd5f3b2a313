"""From labelled crops to a classifier that is saved: one kind, one file (thesis 2.2)."""
