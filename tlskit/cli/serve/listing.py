"""The page that shows what is in a directory."""

from __future__ import annotations

import html
import os
import urllib.parse
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone

from .site import Entry

__all__ = ["POLICY", "amount", "listing"]

#: No script, no image, nothing from elsewhere: a page of text needs none,
#: and a name that got past the escaping could do nothing.
POLICY = "default-src 'none'; style-src 'unsafe-inline'"

_STYLE = """\
:root { color-scheme: light dark; --ink: #1c1e21; --paper: #ffffff;
  --faint: #5b616a; --line: #dfe2e6; --link: #0b57a4; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8eb; --paper: #15171a; --faint: #9aa2ad;
    --line: #33383f; --link: #8ab8f0; } }
body { margin: 0 auto; max-width: 60rem; padding: 1rem;
  background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.25rem; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; }
th { color: var(--faint); font-weight: normal; text-align: left; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .5rem;
  vertical-align: top; }
th:first-child, td:first-child { overflow-wrap: anywhere; padding-left: 0; }
.size, .date { color: var(--faint); white-space: nowrap;
  font-variant-numeric: tabular-nums; }
.size { text-align: right; }
a { color: var(--link); text-decoration: none; }
a:hover, a:focus { text-decoration: underline; }
@media (max-width: 30rem) {
  thead { display: none; }
  tr { display: flex; flex-wrap: wrap; column-gap: 1rem;
    border-bottom: 1px solid var(--line); padding: .3rem 0; }
  td { border: 0; padding: 0; }
  td:first-child { flex: 0 0 100%; }
  td:empty { display: none; } }
"""
_UNITS = ("kB", "MB", "GB", "TB", "PB", "EB")


def listing(where: str, entries: Iterable[Entry]) -> bytes:
    """Make the page.

    Args:
        where: The directory's address; it begins and ends with a slash.
        entries: What is in it, in order.
    """
    title = html.escape(f"Files in {urllib.parse.unquote(where)}")
    rows = "\n".join([*_parent(where), *map(_row, entries)])
    return f"""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{_STYLE}</style>
</head>
<body>
<h1>{title}</h1>
<table>
<thead><tr><th>Name</th><th class="size">Size</th>\
<th class="date">Changed (UTC)</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
</body>
</html>
""".encode("utf-8", "replace")


def _parent(where: str) -> Iterator[str]:
    if where != "/":
        yield (
            '<tr><td><a href="../">../</a></td><td class="size"></td>'
            '<td class="date"></td></tr>'
        )


def _row(entry: Entry) -> str:
    link = urllib.parse.quote(os.fsencode(entry.name))
    size, exact = "", ""
    if entry.size is not None:
        size = amount(entry.size)
        exact = f' title="{entry.size} bytes"'
    return (
        # "./", or "a:b" would be an address of the scheme "a".
        f'<tr><td><a href="./{link}">{html.escape(entry.name)}</a></td>'
        f'<td class="size"{exact}>{size}</td>'
        f'<td class="date">{_date(entry.changed)}</td></tr>'
    )


def _date(seconds: float) -> str:
    try:
        date = datetime.fromtimestamp(seconds, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return ""  # Anybody may set a file's date to the year 20000.
    return (
        f'<time datetime="{date:%Y-%m-%dT%H:%M:%SZ}">'
        f"{date:%Y-%m-%d %H:%M}</time>"
    )


def amount(size: int) -> str:
    """Write a number of bytes in three digits or so, in powers of 1000."""
    if size < 1000:
        return f"{size} B"
    number, unit = size / 1000, 0
    while number >= 999.5 and unit < len(_UNITS) - 1:
        number, unit = number / 1000, unit + 1
    digits = 1 if number < 9.95 else 0
    return f"{number:.{digits}f} {_UNITS[unit]}"
