"""Tell microRNAs apart, one molecule at a time, from spectrally dispersed microscope images."""

__version__ = "0.2.0"
