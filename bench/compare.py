"""python -m bench.compare BEFORE AFTER: compares two JSON files of `python -m bench` case by case."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.harness import Result, Spread, best_peer, ratio, spread_of
from bench.record import SCHEMA, Json, result_from_json
from bench.tables import align, number, times

# suite, target, threads, case
Key = tuple[str, str, int, str]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.compare",
        description="`speed-up` is the rate after divided by the rate before (±: the sum of both spreads; *: the change is "
        "larger than this sum). `beside the reference` is the same for rates divided by the rate of the machine's limit, or "
        "of the best peer, in the same run: this cancels changes of the machine's speed.",
    )
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    options = parser.parse_args(arguments)
    before, after = (json.loads(path.read_text()) for path in (options.before, options.after))
    for name, document in (("before", before), ("after", after)):
        if document.get("schema") != SCHEMA:
            parser.error(f"{name}: expected schema {SCHEMA}, got {document.get('schema')!r}")
    if before["machine"]["cpu"] != after["machine"]["cpu"]:
        machines = " and ".join(document["machine"]["cpu"] for document in (before, after))
        print(f"The machines differ: {machines}. Only the last column can be compared.")
    print(compare(before, after))
    return 0


def compare(before: Json, after: Json) -> str:
    lines = [["case", "contender", "before", "after", "speed-up", "", "beside the reference"]]
    old, new = indexed(before), indexed(after)
    for key in old.keys() & new.keys():
        if old[key].unit != new[key].unit:
            raise ValueError(f"{key}: units differ, {old[key].unit} and {new[key].unit}")
    for key, result in new.items():
        if key not in old:
            continue
        suite, target, threads, case = key
        for name, now in result.timings.items():
            then = old[key].timings.get(name)
            if now.role != "ours" or then is None:
                continue
            change = speedup(spread_of(then.rates), spread_of(now.rates))
            relative = "-"
            other = reference(old[key])
            if other is not None and other in result.timings:
                relative = times(speedup(ratio(then, old[key].timings[other]), ratio(now, result.timings[other])))
            lines.append(
                [
                    f"{suite} {case} [{target}, {threads}]",
                    name,
                    *(number(1e6 * spread_of(t.seconds).median) + " us" for t in (then, now)),
                    times(change),
                    "*" if abs(change.median - 1) > change.spread else "",
                    relative,
                ]
            )
    missing = len(old.keys() ^ new.keys())
    return align(lines) + (f"\n{missing} cases are in only one file." if missing else "")


def speedup(before: Spread, after: Spread) -> Spread:
    return Spread(after.median / before.median, before.spread + after.spread)


def reference(result: Result) -> str | None:
    limit = next((name for name, timing in result.timings.items() if timing.role == "limit"), None)
    return limit if limit is not None else best_peer(result)


def indexed(document: Mapping[str, Any]) -> dict[Key, Result]:
    return {
        (run["suite"], run["target"], run["threads"], record["case"]): result_from_json(record)
        for run in document["runs"]
        for record in run["results"]
    }


if __name__ == "__main__":
    sys.exit(main())
