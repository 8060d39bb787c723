"""Are all links of the built pages alive?  Those that need no network.

sphinx checks references; this looks at what has become of them, and at links
that were written as such: each file has to be there, and each anchor in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["broken"]


class _Page(HTMLParser):
    """Collects the links and the anchors of one page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = {"", "top"}
        self.feed(text)

    def handle_starttag(
        self, _tag: str, attributes: list[tuple[str, str | None]]
    ) -> None:
        """Look at one element."""
        for name, value in attributes:
            if name in {"href", "src", "data"} and value:
                self.links.append(value)
            if name == "id" and value:
                self.anchors.add(value)


def broken(directory: Path) -> Iterator[str]:
    """Find links to files or anchors that are not there.

    Args:
        directory: Where sphinx wrote the pages.

    Returns:
        A line for each.
    """
    pages = {
        path: _Page(path.read_text(encoding="utf-8"))
        for path in directory.resolve().rglob("*.html")
    }
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve()
            if not parts.path:
                target = path
            elif target.is_dir():
                target /= "index.html"
            where = path.relative_to(directory.resolve())
            if not target.is_file():
                yield f"{where}: {link}: there is no such file"
            elif (
                target in pages
                and unquote(parts.fragment) not in pages[target].anchors
            ):
                yield f"{where}: {link}: there is no such place"
