"""Labels given by hand: the tool, its files, agreement, ImageJ's ROIs."""
