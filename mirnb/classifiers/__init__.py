"""From labelled crops to a classifier that is saved: one kind, one file (thesis 2.2)."""

import pkgutil

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, [one.name for one in pkgutil.iter_modules(__path__)])
