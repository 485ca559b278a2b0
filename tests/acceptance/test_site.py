"""The documentation as a site: built for real, as `make docs` does it, and looked at in a browser."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from acceptance.command import PATIENCE
from website.hooks import FROM_ROOT, rewritten
from website.loads import from_elsewhere, loads
from website.scripts import IFRAME_WORKER, MERMAID, NotAsPinned, unpack

ROOT = Path(__file__).parents[2]
PAGES = {page.stem for page in (ROOT / "docs").glob("*.md")} | {
    Path(page).stem for page in FROM_ROOT.values()
}


def build(tree: Path, site: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)],
        cwd=tree,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONWARNINGS": "default"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(ROOT, folder)
    assert (done.returncode, "WARNING" in done.stderr) == (0, False), done.stderr
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield chromium
        chromium.close()


def test_every_page_is_on_the_site_and_in_its_list_of_pages(site: Path) -> None:
    assert {page.stem for page in site.glob("*.html")} == PAGES | {"404"}
    home = (site / "index.html").read_text("utf-8")
    assert [
        page for page in PAGES - {"index"} if f'href="{page}.html" class="md-nav__link"' not in home
    ] == []


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    assert list(from_elsewhere(site)) == []
    assert any(name.endswith(".css") for name in loads((site / "index.html").read_text("utf-8")))


def test_what_is_loaded_from_elsewhere_is_seen(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<a href="https://read.example"></a><link rel="canonical" href="https://here.example">'
        '<link rel="stylesheet" href="//one.example/a.css"><script src="https://two.example/a.js"></script>'
        '<img src="a.png" srcset="b.png 1x, HTTPS://three.example/b.png 2x"><p style="x: url(http://four.example)">'
    )
    (tmp_path / "a.css").write_text("a {b: url('data:c')} @import 'https://five.example';")
    found = " ".join(from_elsewhere(tmp_path))
    assert [name for name in ("one", "two", "three", "four", "five") if f"{name}.example" not in found] == []
    assert "read.example" not in found
    assert "here.example" not in found


def test_diagrams_and_search_work_in_a_file_without_a_network(site: Path, browser: Browser) -> None:
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((site / "architecture.html").as_uri())
    page.wait_for_function(
        "() => document.querySelector('div.mermaid')?.getBoundingClientRect().height > 100"
    )
    page.locator("input.md-search__input").fill("takeover")
    page.locator(".md-search-result__item a").first.wait_for()
    page.close()
    foreign = [url for url in asked if not url.startswith((site.as_uri(), "data:", "blob:"))]
    assert foreign == []
    assert any(url.endswith(MERMAID.name) for url in asked)


def test_only_pages_with_a_diagram_have_its_script(site: Path) -> None:
    having = {page.stem for page in site.glob("*.html") if MERMAID.name in page.read_text("utf-8")}
    drawn = {page.stem for page in (ROOT / "docs").glob("*.md") if "```mermaid" in page.read_text("utf-8")}
    assert having == drawn != set()


def test_a_mistake_ends_the_build(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    for name in ("docs", "website"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("mkdocs.yml", *FROM_ROOT):
        shutil.copy(ROOT / name, tree)
    (tree / ".venv").symlink_to(ROOT / ".venv")
    for name in ("gateway", "deploy", "tests", "config", "bench"):
        (tree / name).symlink_to(ROOT / name)
    with (tree / "docs/pacing.md").open("a") as page:
        page.write("\n[a](nowhere.md) [b](scale.md#nothing) [c](../gateway/nothing.py)\n")
    (tree / "docs/lonely.md").write_text("# Lonely\n")
    done = build(tree, tmp_path / "site")
    assert done.returncode != 0
    for told in ("'nowhere.md'", "#nothing", "nothing.py", "lonely.md"):
        assert told in done.stderr, told


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a](scale.md#measured)", "[a](scale.md#measured)"),
        ("[the README](../README.md#words)", "[the README](overview.md#words)"),
        ("[`app`](../gateway/app.py)", "`app`"),
        ("[the alerts](../deploy/prometheus/alerts.yml)", "the alerts (`deploy/prometheus/alerts.yml`)"),
        ("[a](https://example.com/../x)", "[a](https://example.com/../x)"),
        ("![b](images/dashboard.png)", "![b](images/dashboard.png)"),
        ("[a](../nothing.md)", "[a](../nothing.md)"),
    ],
)
def test_links_out_of_the_folder(text: str, expected: str) -> None:
    assert rewritten(text, ROOT / "docs") == expected


def test_links_of_pages_from_the_root() -> None:
    assert rewritten("[a](docs/scale.md), [b](LICENSE)", ROOT) == "[a](scale.md), b (`LICENSE`)"


def test_another_package_than_the_one_that_is_named_is_not_used(tmp_path: Path) -> None:
    package = tmp_path / "iframe-worker-1.0.4.tgz"
    package.write_bytes(b"something else")
    with pytest.raises(NotAsPinned, match="SHA-256"):
        unpack(IFRAME_WORKER, package, tmp_path)
    assert list(tmp_path.iterdir()) == [package]
