"""README and the pages of the documentation, as they stand in git."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / name / "README.md" for name in ("", "data", "reports")]
PAGES += sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)
