"""Draws the learning curves of a data set as SVG."""

from pathlib import Path
from textwrap import fill

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from benchmarks.efficiency.compare import mean_with_interval

# Okabe and Ito's colours, which people with any colour vision tell apart; markers say the same for print.
STYLES = {
    "uniform": ("#777777", "o"),
    "margin": ("#0072b2", "s"),
    "cluster-margin": ("#d55e00", "D"),
    "entropy": ("#009e73", "^"),
    "coreset": ("#cc79a7", "v"),
    "badge": ("#e69f00", "P"),
}
OTHER = ("#000000", "x")
TITLE_WIDTH = 70
"""Letters in a line."""


def draw(path: Path, title: str, labels: np.ndarray, curves: dict[str, np.ndarray], target: float) -> None:
    """Draw mean accuracy over labels, with 95 % intervals over seeds and the target accuracy."""
    # The same curves give the same file.
    with mpl.rc_context({"svg.hashsalt": path.stem, "font.size": 10, "axes.spines.top": False}):
        figure = Figure(figsize=(7, 4.4), layout="constrained")
        axes = figure.subplots()
        axes.spines["right"].set_visible(False)
        axes.axhline(100 * target, color="#777777", linewidth=0.8, linestyle=":")
        for name, runs in curves.items():
            colour, marker = STYLES.get(name, OTHER)
            points = [mean_with_interval(100 * column) for column in runs.T]
            axes.plot(labels, 100 * runs.mean(axis=0), color=colour, marker=marker, markersize=4, label=name)
            if len(runs) > 1:
                low, high = np.array([(point.low, point.high) for point in points], dtype=float).T
                axes.fill_between(labels, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.set_xlabel("labels")
        axes.set_ylabel("accuracy on test items, %")
        axes.set_title(fill(title, TITLE_WIDTH), loc="left", fontsize=11)
        axes.grid(axis="y", linewidth=0.3)
        axes.legend(frameon=False, loc="lower right")
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None})
