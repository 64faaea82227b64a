"""Shows figures: `python -m bench.table` writes those of latest.json into docs/performance.md, between its marks."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import figures
from bench.figures import Figures, Results

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- figures: written by python -m bench.table -->", "<!-- end of figures -->"
HEADS = ("case", "requests/s", "CPU us a request", "p50 ms", "p99 ms", "RSS MB")


def _digits(value: float) -> str:
    """Three figures that count."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _cells(name: str, row: Figures) -> list[str]:
    return [name, *(_digits(row[field]) for field in figures.FIELDS)]


def printed(results: Results) -> str:
    """For a terminal."""
    width = max(map(len, results), default=0) + 2
    lines = [f"{HEADS[0]:<{width}}" + "".join(f"{head:>18}" for head in HEADS[1:])]
    for name, row in results.items():
        first, *rest = _cells(name, row)
        lines.append(f"{first:<{width}}" + "".join(f"{cell:>18}" for cell in rest))
    lines.append("")
    for ratio in figures.ratios(results):
        wanted = f"; to reach: {ratio.aim:g}: {ratio.met}" if ratio.aim else ""
        lines.append(f"{ratio.what} = {ratio.requests:.2f} (by CPU {ratio.cpu:.2f}{wanted})")
    return "\n".join(lines)


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def page(results: Results, circumstances: Mapping[str, Any]) -> str:
    """The generated part of the page."""
    told = (
        f"{circumstances['runs']} runs of {circumstances['seconds']:g} s a case on {circumstances['date']}; "
        f"{circumstances['cores']} cores of {circumstances['processor']}, Python {circumstances['python']}; "
        f"load average of the machine {circumstances['load_before']:.1f} before and "
        f"{circumstances['load_after']:.1f} after."
    )
    peers = circumstances.get("peers") or {}
    if peers:
        told += " Peers: " + ", ".join(f"{name} {version}" for name, version in peers.items()) + "."
    rows = [_cells(name, row) for name, row in results.items()]
    ratios = [
        [each.what, f"{each.requests:.2f}", f"{each.cpu:.2f}", f"{each.aim:g}" if each.aim else "", each.met]
        for each in figures.ratios(results)
    ]
    parts = [told, markdown(HEADS, rows), markdown(("beside", "by requests/s", "by CPU", "to reach", ""), ratios)]
    cannot = circumstances.get("cannot") or []
    if cannot:
        parts.append("Not offered by the peer: " + ", ".join(cannot) + ".")
    failed = circumstances.get("failed") or {}
    if failed:
        parts.append(
            "Not measured, because the case failed:\n\n"
            + "\n".join(f"- {name}: `{why[:160]}`" for name, why in failed.items())
        )
    return "\n\n".join(parts)


def main() -> int:
    """Writes the page."""
    text = PAGE.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        print(f"{PAGE} has lost its marks: {BEGIN} and {END}", file=sys.stderr)
        return 1
    made = page(figures.read(figures.LATEST), figures.read(figures.CIRCUMSTANCES))
    PAGE.write_text(f"{before}{BEGIN}\n\n{made}\n\n{END}{after}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
