"""How Sphinx makes these pages: from disk alone, for readers without a network."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from mirnb import __version__

project, author, release = "mirnb", "the mirnb developers", __version__
project_copyright = "the mirnb developers, under the MIT licence"
extensions = [
    "myst_nb", "sphinx.ext.autodoc", "numpydoc", "sphinx_design",
    "sphinx_copybutton", "from_code", "mathml",
]  # fmt: skip
exclude_patterns = ["_build", "tutorials/_*"]
html_theme, html_title, html_static_path, html_css_files = "furo", "mirnb", ["_static"], ["own.css"]
html_show_sourcelink = html_copy_source = False
smartquotes = False  # a message stands as it is printed
html_math_renderer = "mathml"
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # tutorials come executed; figures of pages are drawn when these are built (see from_code)
nb_merge_streams = True
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
suppress_warnings = ["mystnb.unknown_mime_type"]
