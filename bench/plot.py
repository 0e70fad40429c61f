"""The picture of a benchmark: rates, costs, latencies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from bench.comparison import TILLSTREAM, Round, median_costs, median_rates
from bench.latency import SHARES, Latencies

OURS, OTHERS = "#0072B2", "#999999"
BY_SHARE = ("#56B4E9", "#0072B2", "#D55E00")


def _rates(axes: Axes, rounds: Sequence[Round]) -> None:
    rates = median_rates(rounds)
    names = sorted(rates, key=rates.__getitem__)
    bars = axes.barh(
        names, [rates[name] for name in names], color=[OURS if name == TILLSTREAM else OTHERS for name in names]
    )
    axes.bar_label(bars, fmt="{:,.0f}", padding=3)
    axes.set_xscale("log")
    axes.margins(x=0.2)
    axes.set_title("records a second")


def _costs(axes: Axes, rounds: Sequence[Round]) -> None:
    costs = median_costs(rounds)
    names = list(costs)[::-1]
    bars = axes.barh(names, [costs[name] for name in names], color=OURS)
    axes.bar_label(bars, fmt="{:.0f}", padding=3)
    axes.margins(x=0.15)
    axes.set_title("CPU-seconds per million records")


def _latencies(axes: Axes, latencies: Sequence[Latencies]) -> None:
    rates = [one.rate for one in latencies]
    for index, share in enumerate(SHARES):
        axes.plot(
            rates,
            [one.committed_ms[index] / 1000 for one in latencies],
            marker="o",
            color=BY_SHARE[index],
            label=f"{share:.0%} committed",
        )
        axes.plot(
            rates,
            [one.seen_ms[index] / 1000 for one in latencies],
            marker="o",
            linestyle=":",
            color=BY_SHARE[index],
            label=f"{share:.0%} seen",
        )
    axes.set_xscale("log")
    axes.set_xticks(rates, [f"{rate:,}" for rate in rates])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.set_xlabel("events a second")
    axes.legend(ncols=len(SHARES), fontsize="small")
    axes.set_title("seconds after creation")


def draw(rounds: Sequence[Round], latencies: Sequence[Latencies], path: Path) -> None:
    """Writes the picture; its format is that of the file's ending."""
    mpl.use("agg")
    panels = 3 if latencies else 2
    figure, axes = plt.subplots(panels, 1, figsize=(8, 3 * panels), layout="constrained")
    _rates(axes[0], rounds)
    _costs(axes[1], rounds)
    if latencies:
        _latencies(axes[2], latencies)
    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)
    plt.close(figure)
