"""Labels given by hand: the tool, its files, agreement, ImageJ's ROIs."""

import pkgutil

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, [one.name for one in pkgutil.iter_modules(__path__)])
