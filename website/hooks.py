"""What MkDocs does for this site besides: three pages from the root of the repository, links out of docs/, scripts.

Pages stay as they are read in the repository: links there are relative, and lead to files. On the site a link to a
file that is a page of it leads to that page; a link to any other file of the repository becomes the file's path, since
the site does not know where the repository is to be found.

Rules: nothing is fetched here, neither when the site is built nor when it is read.
"""

import os
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url

from website.loads import from_elsewhere

ROOT = Path(__file__).parent.parent
SCRIPTS = ROOT / ".venv" / "site"
"""Where `website.scripts` puts them."""
MERMAID, IFRAME_WORKER = "mermaid.min.js", "iframe-worker.js"

FROM_ROOT = {
    "README.md": "overview.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "reporting.md",
    "CHANGELOG.md": "changelog.md",
}
"""Files that are pages of the site, by where they stand in the repository."""

WIDE = {"behaviour.md", "clients.md", "dialects.md", "metrics.md"}
"""Pages whose tables need the room of the list of headings."""

LINK = re.compile(r"\[(?P<text>[^\]\n]*(?:\n[^\]\n]+)?)\]\((?P<path>[^)#:\s]+)(?P<anchor>#[^)\s]+)?\)")
CELL = re.compile(r"<td>.*?</td>", re.DOTALL)
CODE = re.compile(r"(?<=<code>)[^<]+")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def on_config(config: MkDocsConfig) -> None:
    # Named so, the theme's plugin takes it for its own and adds no other.
    config.extra["polyfills"] = [f"assets/javascripts/{IFRAME_WORKER}"]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for source, page in FROM_ROOT.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    files.append(File.generated(config, "assets/site.css", abs_src_path=str(ROOT / "website" / "site.css")))
    for name in (MERMAID, IFRAME_WORKER):
        if not (SCRIPTS / name).exists():
            raise PluginError(f"{name} is not there: run `make docs`, which fetches it")
        script = File.generated(config, f"assets/javascripts/{name}", abs_src_path=str(SCRIPTS / name))
        files.append(script)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """With links as they are on the site; code stays as it is."""
    if page.file.src_uri in WIDE:
        page.meta["hide"] = ["toc"]
    folder = ROOT if page.file.src_uri in FROM_ROOT.values() else ROOT / "docs"
    parts: list[str] = []
    at = 0
    for fence in FENCE.finditer(markdown):
        parts += [rewritten(markdown[at : fence.start()], folder), fence[0]]
        at = fence.end()
    return "".join([*parts, rewritten(markdown[at:], folder)])


def rewritten(text: str, folder: Path) -> str:
    """Text of a file in `folder`, with its links as they are on the site."""

    def link(found: re.Match[str]) -> str:
        path = Path(os.path.normpath(folder / found["path"])).relative_to(ROOT)
        anchor = found["anchor"] or ""
        if path.parts[0] == "docs":
            return f"[{found['text']}]({path.relative_to('docs').as_posix()}{anchor})"
        if path.as_posix() in FROM_ROOT:
            return f"[{found['text']}]({FROM_ROOT[path.as_posix()]}{anchor})"
        if not (ROOT / path).exists():
            return found[0]  # which MkDocs then complains about
        named = found["text"].strip("`") in {path.as_posix(), path.name, path.stem}
        return found["text"] if named else f"{found['text']} (`{path.as_posix()}`)"

    return LINK.sub(link, text)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """With places in the long paths of tables at which a line may end, and without backslashes in front of | there,
    which Markdown asks for in a table and MkDocs keeps in code.
    """

    def code(found: re.Match[str]) -> str:
        return found[0].replace("\\|", "|").replace("/", "/<wbr>")

    return CELL.sub(lambda cell: CODE.sub(code, cell[0]), html)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """With the script for diagrams, where there are any: it is large."""
    if 'class="mermaid"' not in output:
        return output
    source = get_relative_url(f"assets/javascripts/{MERMAID}", page.url)
    return output.replace("</head>", f'<script src="{source}"></script></head>', 1)


def on_post_build(config: MkDocsConfig) -> None:
    found = list(from_elsewhere(Path(config.site_dir)))
    if found:
        raise PluginError("\n".join(["these would be loaded from elsewhere:", *found]))
