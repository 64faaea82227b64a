"""`python -m tests.console.screenshots [path ...]`: every page in both languages and schemes, to build/screenshots/."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.console.browser import LANGUAGES, SCHEMES, SIZES, People, chromium, missing
from tests.console.data import fill
from tests.console.pages import PAGES
from tests.integration.house import house
from tools import console

OUT = Path(__file__).resolve().parent.parent.parent / "build" / "screenshots"


def main() -> int:
    """All pages, or those whose name or path is named."""
    if reason := missing():
        print(reason)
        return 1
    console.main()
    wanted = set(sys.argv[1:])
    rows = [row for row in PAGES if not wanted or wanted & {row.name, row.path}]
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data, house(Path(data)) as gateway, chromium() as browser:
        fill(gateway)
        people = People(browser, gateway)
        for row in rows:
            for language in LANGUAGES:
                for scheme in SCHEMES:
                    for size in SIZES:
                        with people.view(row.who, language, scheme, size) as view:
                            view.go(row.path)
                            path = OUT / f"{row.name}-{language}-{scheme}-{size}.png"
                            view.page.screenshot(path=path, full_page=True)
                            print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
