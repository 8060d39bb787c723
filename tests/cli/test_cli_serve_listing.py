"""The page of ``tlskit serve --dir``: what is in it, and how it looks."""

from __future__ import annotations

import json
import os

import pytest

from tlskit.cli.serve.listing import amount, listing
from tlskit.cli.serve.site import Entry

from ..chromium import browsing, needs_chromium
from ..command import serving

pytestmark = pytest.mark.skipif(
    os.name == "nt", reason="no SIGINT between processes, and no openat()"
)

LONG = "long-name-" * 20 + ".tar.gz"
WIDTHS = (1280, 360)


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (9949, "9.9 kB"),
        (9950, "10 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (123_456_789, "123 MB"),
        (10**19, "10 EB"),
        (10**22, "10000 EB"),
    ],
)
def test_sizes_are_for_people(size, words):
    """Three digits at most, but for what no disk holds."""
    assert words == amount(size)


def test_a_row_has_size_and_date():
    """The size in bytes and the second are there for who wants them."""
    page = listing("/", [Entry("a.txt", 1234, 0)]).decode()

    assert '<td class="size" title="1234 bytes">1.2 kB</td>' in page
    assert (
        '<time datetime="1970-01-01T00:00:00Z">1970-01-01 00:00</time>' in page
    )


def test_a_date_that_is_none_is_left_out():
    """A file may be dated to the year 20000, or to none at all."""
    page = listing("/", [Entry("a", 1, 1e12), Entry("b", 1, -1e300)]).decode()

    assert 2 == page.count('<td class="date"></td>')


def test_only_the_top_has_no_parent():
    """One gets up again; from the top, there is nowhere to go."""
    assert b'href="../"' in listing("/below/", [])
    assert b'href="../"' not in listing("/", [])


def test_a_name_is_no_scheme():
    """A file called "javascript:..." is a file."""
    page = listing("/", [Entry("javascript:alert(1)", 1, 0)]).decode()

    assert 'href="./javascript%3Aalert%281%29"' in page


# -- a browser --------------------------------------------------------------


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Chromium, which takes any certificate."""
    home = tmp_path_factory.mktemp("browser")
    with browsing(home, "--ignore-certificate-errors") as chromium:
        yield chromium


@pytest.fixture
def address(tmp_path):
    """Serve a directory; give the page's URL."""
    site = tmp_path / "site"
    site.joinpath("below").mkdir(parents=True)
    for name in ("a.txt", "a <b> & c", LONG):
        site.joinpath(name).write_bytes(b"x" * 1234)
    with serving("--json", "--dir", str(site)) as server:
        yield f"https://localhost:{server.event()['port']}/"


def seen(browser, expression):
    """Evaluate to JSON, and read that."""
    return json.loads(browser.value(f"JSON.stringify({expression})"))


def contrast(browser, selector):
    """Give the contrast of text to its ground, as WCAG 2 computes it."""

    def luminance(colour):
        numbers = [int(n) for n in colour[4:-1].split(",")]
        linear = [
            n / 3294.6 if n < 11 else ((n / 255 + 0.055) / 1.055) ** 2.4
            for n in numbers
        ]
        return sum(
            a * b
            for a, b in zip((0.2126, 0.7152, 0.0722), linear, strict=True)
        )

    style = "getComputedStyle(document.querySelector"
    pair = seen(
        browser,
        f"[{style}('{selector}')).color,{style}('body')).backgroundColor]",
    )
    low, high = sorted(map(luminance, pair))
    return (high + 0.05) / (low + 0.05)


@needs_chromium
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_fits_and_can_be_read(browser, address, width, dark):
    """No window scrolls sideways, and all text stands out (WCAG AA)."""
    assert browser.look(address, width=width, dark=dark) is None

    assert width >= browser.value("document.documentElement.scrollWidth")
    assert width == browser.value("innerWidth")
    for selector in ("h1", "a", "td.size", "time"):
        assert contrast(browser, selector) >= 4.5
    ground = browser.value("getComputedStyle(document.body).backgroundColor")
    assert dark is (ground != "rgb(255, 255, 255)")


@needs_chromium
@pytest.mark.parametrize("width", WIDTHS)
def test_a_row_has_all_of_a_file(browser, address, width):
    """Name, size and date are to be seen, wide in a line, else in two."""
    assert browser.look(address, width=width) is None
    row = next(
        each
        for each in seen(
            browser,
            "[...document.querySelectorAll('tbody tr')].map(row => "
            "[...row.children].map(cell => "
            "[cell.innerText, cell.getBoundingClientRect().top]))",
        )
        if each[0][0] == "a <b> & c"
    )

    assert "1.2 kB" == row[1][0]
    assert 16 == len(row[2][0])
    assert row[1][1] == row[2][1]
    assert (row[0][1] < row[1][1]) is (width == 360)


@needs_chromium
def test_one_can_go_down_and_up(browser, address):
    """A directory's link leads there, and its first one back."""
    assert browser.look(address) is None
    below = browser.value("document.querySelector('a[href$=\"/\"]').href")
    assert browser.look(below) is None

    assert address + "below/" == below
    assert address == browser.value("document.querySelector('a').href")
