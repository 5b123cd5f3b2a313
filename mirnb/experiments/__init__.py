"""What a user brings, and where its results go: stacks, blob tables, panels, experiment folders, run folders."""

import pkgutil

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, [one.name for one in pkgutil.iter_modules(__path__)])
