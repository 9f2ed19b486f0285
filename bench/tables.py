"""Results as text: a line for each of our contenders, with its share of the limit and its ratio to the best peer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.harness import Result, Spread, Timing, best_peer, beyond, binding_limit, ratio, spread_of

# Converts the work of one call and its seconds to a figure.
UNITS: dict[str, Callable[[float, float], float]] = {
    "us": lambda amount, seconds: seconds * 1e6,
    "us/region": lambda amount, seconds: seconds * 1e6 / amount,
    "us/step": lambda amount, seconds: seconds * 1e6 / amount,
    "GFLOP/s": lambda amount, seconds: amount / seconds / 1e9,
    "GB/s": lambda amount, seconds: amount / seconds / 1e9,
    "images/s": lambda amount, seconds: amount / seconds,
    "samples/s": lambda amount, seconds: amount / seconds,
    # Adam's traffic: 4 reads and 3 writes of 4 bytes.
    "ns/parameter": lambda amount, seconds: seconds * 1e9 / (amount / 28),
}


def number(value: float) -> str:
    """Two to four digits, with a separator of thousands."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def figure(timing: Timing, unit: str) -> str:
    values = spread_of([UNITS[unit](timing.amount, seconds) for seconds in timing.seconds])
    return f"{number(values.median)} ±{percent(values.spread)}"


def render(results: Sequence[Result]) -> str:
    """One table with all cases of one suite. `±` is the distance between the quartiles divided by the median."""
    others = list(dict.fromkeys(n for r in results for n, t in r.timings.items() if t.role != "ours"))
    limits = any(t.role == "limit" for r in results for t in r.timings.values())
    steps = any(r.unit == "us/step" for r in results)
    peers = any(best_peer(r) for r in results)
    head = ["case", "contender", "unit", "median", *others]
    head += ["of limit"] * limits + ["beyond it"] * steps + ["ours / best peer"] * peers
    lines = [head]
    for result in results:
        for name, ours in result.timings.items():
            if ours.role != "ours":
                continue
            line = [result.case, name, result.unit, figure(ours, result.unit)]
            line += [_cell(result, other, ours) for other in others]
            if limits:
                limit = binding_limit(result)
                line.append(percent(ratio(ours, limit).median) if limit is not None else "-")
                if steps and limit is not None:
                    extra = beyond(ours, limit)
                    line.append(f"{number(extra.median * 1e6)} ±{percent(extra.spread)}")
            if peers:
                peer = best_peer(result)
                line.append("-" if peer is None else times(ratio(ours, result.timings[peer])))
            lines.append(line)
    return align(lines)


def _cell(result: Result, name: str, ours: Timing) -> str:
    other = result.timings.get(name)
    if other is None:
        return "-"
    if other.role == "limit":
        # The time of the limit for the same amount of work.
        share = ours.amount / other.amount
        other = Timing("limit", ours.amount, [s * share for s in other.seconds])
    return figure(other, result.unit)


def times(of: Spread) -> str:
    return f"{of.median:.2f} ±{percent(of.spread)}"


def align(lines: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; the first two aligned to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*lines)]
    return "\n".join(
        "  ".join(c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths))).rstrip() for line in lines
    )
