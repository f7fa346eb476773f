"""The plots of docs/performance.md: three small SVG files, the same for the same figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")  # no display; before pyplot is imported

import matplotlib.pyplot as plt

from benchmarks.measure import original
from benchmarks.measure.figures import Figures
from benchmarks.measure.targets import FLOOR, Found

#: Distinct for colour-blind eyes, and in grey.
_OURS, _OURS_TOO, _FLOOR, _ORIGINAL = "#1f5a99", "#7fb2e5", "#b8b8b8", "#e0963c"
_LOOK: Mapping[str, Any] = {
    "svg.fonttype": "none",  # texts stay texts: small, and searchable
    "svg.hashsalt": "durable",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}
Series = tuple[str, str, Sequence[Any]]


def draw(figures: Figures, folder: Path) -> list[Path]:
    """Write what there are figures for; the files."""
    found: Found = {name: entry["figures"] for name, entry in figures.items()}
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    with plt.rc_context(dict(_LOOK)):
        for name, plot in _PLOTS.items():
            figure = plot(found)
            if figure is None:
                continue
            path = folder / f"{name}.svg"
            # Without a date, so that the same figures give the same file.
            figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
            plt.close(figure)
            _tidy(path)
            drawn.append(path)
    return drawn


def _tidy(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("".join(f"{line.rstrip()}\n" for line in lines), encoding="utf-8")


def _requests(found: Found) -> Any:
    worker, functions = found.get("requests-worker"), found.get("requests-functions")
    if worker is None or functions is None:
        return None
    titles = [title for title in original.REQUESTS if title in worker and title in functions]
    figure, axes = plt.subplots(figsize=(7.5, 3.4))
    _bars(
        axes,
        titles,
        [
            ("the original", _ORIGINAL, [original.REQUESTS[title] for title in titles]),
            ("ours, Functions mode", _OURS_TOO, [functions[title]["total"] for title in titles]),
            ("ours, worker mode", _OURS, [worker[title]["total"] for title in titles]),
        ],
        "{:,.0f}",
    )
    _log(axes, lowest=1)
    axes.set_ylabel("storage requests")
    _legend(figure, axes)
    return figure


def _hello(found: Found) -> Any:
    if "hello" not in found:
        return None
    clients = found["hello"]["clients"]
    names = [f"{count} client{'s' if count != '1' else ''}" for count in clients]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4))
    _bars(
        left,
        names,
        [
            ("ours", _OURS, [loops["ours"]["a_second"] for loops in clients.values()]),
            ("floor, one by one", _FLOOR, [loops[FLOOR]["a_second"] for loops in clients.values()]),
            ("the original", _ORIGINAL, [original.LOOPS[count].a_second for count in clients]),
        ],
        "{:.0f}",
    )
    left.set_ylabel("hello-3 a second")
    _bars(
        right,
        names,
        [
            ("ours", _OURS, [_ms(loops["ours"]["p50"]) for loops in clients.values()]),
            ("floor, one by one", _FLOOR, [_ms(loops[FLOOR]["p50"]) for loops in clients.values()]),
            ("the original", _ORIGINAL, [_recorded_ms(count) for count in clients]),
        ],
        "{:.0f}",
    )
    right.set_ylabel("p50, ms")
    _legend(figure, left)
    return figure


def _recorded_ms(clients: str) -> float | None:
    p50 = original.LOOPS[clients].p50
    return None if p50 is None else 1000 * p50


def _runs(found: Found) -> Any:
    names = [name for name, each in found.items() if "title" in each and "seconds" in each]
    names = [name for name in _RUN_ORDER if name in names]
    if not names:
        return None
    figure, axes = plt.subplots(figsize=(9, 3.8))
    recorded = [original.SECONDS.get(name) for name in names]
    _bars(
        axes,
        [found[name]["title"].replace(" of ", "\nof ").replace(" to ", "\nto ") for name in names],
        [
            ("ours", _OURS, [found[name]["seconds"]["ours"] for name in names]),
            ("floor, same overlap", _FLOOR, [found[name]["seconds"]["floor"] for name in names]),
            ("the original", _ORIGINAL, [None if each is None else each[0] for each in recorded]),
        ],
        "{:.2g}",
    )
    _log(axes, lowest=0.01)
    axes.set_ylabel("seconds")
    _legend(figure, axes)
    return figure


_RUN_ORDER = (
    "sequence-100",
    "sequence-1000",
    "fan-out-100",
    "fan-out-1000",
    "fan-out-10000",
    "events-500",
    "signals-500",
    "calls-100",
)
_PLOTS: Mapping[str, Callable[[Found], Any]] = {
    "requests": _requests,
    "hello": _hello,
    "runs": _runs,
}


def _ms(spread: Mapping[str, float]) -> Mapping[str, float]:
    return {name: 1000 * value for name, value in spread.items()}


def _bars(axes: Any, names: Sequence[str], series: Sequence[Series], shown: str) -> None:
    """Groups of bars with their figures on top; whiskers from the lowest round to the highest."""
    width = 0.8 / len(series)
    for number, (label, colour, values) in enumerate(series):
        places, heights, whiskers = [], [], []
        for place, value in enumerate(values):
            if value is None:
                continue
            height, low, high = _height(value)
            places.append(place + (number - (len(series) - 1) / 2) * width)
            heights.append(height)
            whiskers.append((height - low, high - height))
        bars = axes.bar(
            places,
            heights,
            width * 0.92,
            label=label,
            color=colour,
            yerr=list(zip(*whiskers, strict=True)) if any(map(sum, whiskers)) else None,
            error_kw={"elinewidth": 0.8, "ecolor": "#333333"},
        )
        axes.bar_label(bars, [shown.format(height) for height in heights], fontsize=7, padding=1)
    axes.set_xticks(range(len(names)), names)
    axes.grid(axis="x", visible=False)
    axes.tick_params(axis="x", length=0)


def _log(axes: Any, *, lowest: float) -> None:
    axes.set_yscale("log")
    axes.set_ylim(bottom=lowest)
    axes.yaxis.set_major_formatter("{x:,g}")
    axes.yaxis.set_minor_formatter("")


def _legend(figure: Any, axes: Any) -> None:
    """Above the plots, where no bar is."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=len(labels))


def _height(value: Any) -> tuple[float, float, float]:
    if isinstance(value, Mapping):
        return value["median"], value["low"], value["high"]
    return value, value, value
