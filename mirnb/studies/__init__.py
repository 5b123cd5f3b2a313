"""The thesis's questions, each measured: techniques, settings, claims, classifiers compared (thesis 2.3, 3)."""

import pkgutil

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, [one.name for one in pkgutil.iter_modules(__path__)])
