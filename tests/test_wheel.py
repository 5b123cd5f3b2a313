"""The wheel in an environment of its own, outside any clone: the commands, the notebooks it brings, where results go."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest
from packaging.metadata import Metadata

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.slow


_LEFT = (".*", "data", "reports", "_build", "drawn", "build", "dist", "__pycache__", "*.egg-info", "tutorials")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """An sdist of a clean copy, and the wheel that is made of it alone."""
    source = tmp_path_factory.mktemp("source") / "mirnb"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(*_LEFT))
    for name in ("data/README.md", "reports/README.md", "docs/tutorials/index.md"):
        (source / name).parent.mkdir()
        shutil.copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", source.parent, source]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return source, *source.parent.glob("*.tar.gz"), *source.parent.glob("*.whl")


@pytest.fixture(scope="module")
def wheel(built):
    return built[2]


def test_the_sdist_holds_what_builds_tests_and_documents_it(built):
    source, sdist, _ = built
    with tarfile.open(sdist) as packed:
        names = {name.partition("/")[2] for name in packed.getnames()}
    wanted = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    assert {name for name in wanted if "egg-info" not in name and not name.startswith("build/")} - names == set()


def test_what_is_said_of_it_is_what_an_index_takes(wheel):
    with zipfile.ZipFile(wheel) as packed:
        (name,) = [name for name in packed.namelist() if name.endswith(".dist-info/METADATA")]
        said = Metadata.from_email(packed.read(name), validate=True)
    assert said.description_content_type == "text/markdown"
    assert said.description.startswith("# mirnb")
    assert {"gpu", "remote", "formats", "docs", "dev"} == set(said.provides_extra)


def test_every_file_of_the_package_and_every_notebook_is_in_it(wheel):
    packed = set(zipfile.ZipFile(wheel).namelist())
    kept = [path for path in (ROOT / "mirnb").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    wanted = {path.relative_to(ROOT).as_posix() for path in kept}
    wanted |= {f"mirnb/notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert wanted - packed == set()
    assert {name for name in packed if ".dist-info/" not in name} == wanted


@pytest.fixture(scope="module")
def mirnb(wheel, tmp_path_factory):
    """Runs a command of the installed wheel in a working folder; what it needs besides comes from this environment."""
    place = tmp_path_factory.mktemp("elsewhere")
    subprocess.run([sys.executable, "-m", "venv", place / "env"], check=True)
    scripts = place / "env" / ("Scripts" if os.name == "nt" else "bin")
    subprocess.run([scripts / "python", "-m", "pip", "install", "-q", "--no-deps", "--no-index", wheel], check=True)
    query = [scripts / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip())
    (packages / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n")  # editable installs there stay unseen
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    clean["JUPYTER_PATH"] = str(Path(sys.prefix) / "share" / "jupyter")  # nbconvert's templates

    def run(*arguments):
        done = subprocess.run(
            [scripts / "mirnb", *arguments], cwd=place, env=clean, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run.place = place
    return run


def test_report_quantify_design_and_notebooks_run_outside_a_clone(mirnb):
    place = mirnb.place
    mirnb("simulate", "data/small", "--frames", "3")
    mirnb("report", "data/small", "--quick", "--only", "01", "--only", "03")
    run = place / "reports" / "small-quick"
    assert "simulated" in (run / "index.html").read_text(encoding="utf-8")
    assert (run / "figures" / "fig02_templates.png").exists()
    told = mirnb("quantify", str(run / "classifier"), "data/small_red/stack.tif", "--out", "counted")
    assert "page: " in told
    assert (place / "counted" / "abundance.csv").exists()
    assert (place / "counted" / "notebooks" / "09_quantification.html").exists()
    mirnb("design", "thesis", "--quick", "--angle", "176", "--out", "designed")
    assert (place / "designed" / "notebooks" / "10_panel_design.html").exists()
    mirnb("notebooks", "mine")
    assert {path.name for path in (place / "mine").iterdir()} == {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
