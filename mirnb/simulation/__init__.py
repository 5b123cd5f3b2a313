"""The CoCoS forward model, experiment folders made with it, and the twin of an experiment."""

import pkgutil

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, [one.name for one in pkgutil.iter_modules(__path__)])
