"""The heavy steps in one process, and beside that on Ray clusters of one and two nodes with one core each.

    python -m benchmarks.scale --items 100000
    python -m benchmarks.scale --items 1000000 --texts 20000 --json
    python -m benchmarks.scale --nodes 1,2,4                        # more nodes than cores, too
    python -m benchmarks.scale --only train --batch 2048

Each place is a process of its own, held to as many cores as it has nodes. It has made a small call of each step before.
The speed-up is that against one process with one core; the efficiency, the speed-up by core.
A training is shared by as many processes as there are nodes, the worker among them, and beyond that differs in its last
bits: its accuracy is told. It is cut off after `--steps` steps, and shared however little that is worth.
"""

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import POOLS, in_a_process, machine, make_embeddings, timed
from benchmarks.ray_nodes import START_SECONDS, Nodes
from benchmarks.scale.steps import SMALL, STEPS, steps_of

MODULE = "benchmarks.scale"
COMPARED = ("to_local", "speed_up", "efficiency")
SIZES = ("dim", "classes", "texts", "joining", "picked", "labels", "batch", "steps")
APART_SECONDS = 6  # two nodes that start at once on a machine of two cores may keep each other from it


def run_place(vectors: np.ndarray, args: argparse.Namespace) -> dict[str, Any]:
    """Run all steps in one place."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.cores])
    import django
    import torch

    django.setup()
    from labeling.steps.compute import Local

    torch.set_num_threads(1 if args.ray else args.cores)  # as a node's processes
    torch.manual_seed(0)
    compute: Any = Local()
    if args.ray:
        compute = on_ray(args.cores)
    results = {}
    for name, step in steps_of(args).items():
        step(compute, vectors[:SMALL])
        if args.ray:
            compute.cluster.traffic = traffic()
        seconds, came_of_it = timed(lambda: step(compute, vectors))  # noqa: B023
        results[name] = {"seconds": seconds, **came_of_it}
        if args.ray:
            results[name] |= moved(compute.cluster.traffic)
    return results


def on_ray(cores: int) -> Any:
    """Connect to the cluster that the environment names, once all of its nodes are ready."""
    from labeling.steps.compute.ray import OnRay

    compute, end = OnRay("ray:auto"), time.monotonic() + START_SECONDS
    while compute.cluster.count < cores:
        if time.monotonic() > end:
            raise SystemExit(f"{compute.cluster.count} of {cores} Ray nodes have come in {START_SECONDS} seconds")
        time.sleep(0.1)
    return compute


def traffic() -> Any:
    from labeling.steps.compute.ray_cluster import Traffic

    return Traffic()


def moved(seen: Any) -> dict[str, Any]:
    """Return the bytes sent, and the imbalance of each piece of work: the largest result and the longest call, relative
    to the mean.

    Of the longest those pieces count that took a second of all nodes together: what is over at once tells nothing.
    """
    shards: dict[str, dict[str, Any]] = {}
    for name, calls in seen.work:
        seconds, sizes = [call.seconds for call in calls], [call.size for call in calls]
        shard = shards.setdefault(
            name, {"calls": 0, "seconds": 0.0, "longest_to_mean": 1.0, "largest_to_mean": 1.0, "by_process": {}}
        )
        shard["calls"] += len(calls)
        shard["seconds"] += sum(seconds)
        for call in calls:
            shard["by_process"][call.process] = shard["by_process"].get(call.process, 0) + call.seconds
        shard["largest_to_mean"] = max(shard["largest_to_mean"], float(max(sizes) / max(np.mean(sizes), 1)))
        if sum(seconds) > 1:
            shard["longest_to_mean"] = max(shard["longest_to_mean"], float(max(seconds) / np.mean(seconds)))
    return {"sent_bytes": seen.sent, "received_bytes": seen.received, "kept_bytes": seen.kept, "shards": shards}


@contextmanager
def cluster_of(count: int) -> Iterator[dict[str, str]]:
    """Start a cluster of `count` nodes; yield the environment that leads to it."""
    folder = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))
    nodes = Nodes(folder, store_bytes=2_000_000_000)
    try:
        nodes.start_head()
        for _ in range(count - 1):
            nodes.start_another()
            time.sleep(APART_SECONDS)
        yield {"COMPUTE": "ray:auto", "RAY_ADDRESS": nodes.address, "COMPUTE_TRAINING_WORLD": str(count)}
    finally:
        while nodes.running:
            nodes.kill_last()
        shutil.rmtree(folder, ignore_errors=True)


def benchmark(path: Path, args: argparse.Namespace) -> dict[str, Any]:
    options = {name: getattr(args, name) for name in ("items", *SIZES, "only")}
    places: dict[str, Any] = {}
    for nodes in sorted({1, *args.nodes}):
        cores = min(nodes, len(os.sched_getaffinity(0)))
        local = f"local, {cores} core{'s'[: cores > 1]}"
        if local not in places:
            places[local] = in_a_process(MODULE, run="place", vectors=path, cores=cores, **options)
        with cluster_of(nodes) as environment:
            os.environ |= environment
            on_nodes = in_a_process(MODULE, run="place", vectors=path, cores=nodes, ray=1, **options)
            for name in environment:
                del os.environ[name]
        places[f"ray, {nodes} node{'s'[: nodes > 1]}"] = on_nodes
        compare(on_nodes, places[local], places["local, 1 core"], cores)
    return places


def compare(steps: dict[str, Any], local: dict[str, Any], one: dict[str, Any], cores: int) -> None:
    """Compare each step on Ray with one process with as many cores, and with one core."""
    for name, step in steps.items():
        step["to_local"] = step["seconds"] / local[name]["seconds"]
        step["speed_up"] = one[name]["seconds"] / step["seconds"]
        step["efficiency"] = step["speed_up"] / cores


def tell(result: dict[str, Any]) -> None:
    """Print the result as a table."""
    print(f"{result['items']:,} × {result['dim']}, {result['classes']} classes, {result['texts']:,} texts, ", end="")
    print(f"{result['joining']:,} joining; {result['labels']:,} labels, {result['steps']:,} steps of ", end="")
    print(f"{result['batch']:,}; {result['cores']} cores")
    heads = ("seconds", *COMPARED, "sent MB", "back MB", "kept MB", "largest", "longest")
    print(f"{'':16}{'step':10}" + "".join(f"{head.replace('_', ' '):>12}" for head in heads) + "  same")
    places = result["places"]
    first = next(iter(places.values()))
    for place, steps in places.items():
        for name, step in steps.items():
            cells = [f"{step[key]:.2f}" if key in step else "" for key in ("seconds", *COMPARED)]
            if "shards" in step:
                cells += [f"{step[key] / 1e6:.1f}" for key in ("sent_bytes", "received_bytes", "kept_bytes")]
                cells += [
                    f"{max((shard[key] for shard in step['shards'].values()), default=1):.2f}"
                    for key in ("largest_to_mean", "longest_to_mean")
                ]
            same = "yes" if step["digest"] == first[name]["digest"] else "no"
            if "accuracy" in step:
                same += f", {step['processes'][0]} training, {100 * step['accuracy']:.1f} % right"
            cells += [""] * (len(heads) - len(cells))
            print(f"{place:16}{name:10}" + "".join(f"{cell:>12}" for cell in cells) + f"  {same}")


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--texts", type=int, default=10_000, help="that are encoded")
    parser.add_argument("--joining", type=int, default=5_000, help="items that join the clustering of the others")
    parser.add_argument("--picked", type=int, default=2_000, help="items of a batch by CoreSet and by BADGE")
    parser.add_argument("--labels", type=int, default=20_000, help="that a network learns from")
    parser.add_argument("--batch", type=int, default=512, help="labels in a step of the training")
    parser.add_argument("--steps", type=int, default=300, help="of the training")
    parser.add_argument("--only", default=",".join(STEPS), help="steps, with commas between them")
    parser.add_argument("--nodes", type=numbers, default="1,2", help="of each cluster, with commas between them")
    parser.add_argument("--pool", choices=POOLS, default="hierarchy")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="for the made-up vectors; else a temporary one")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--run", choices=["place"], help=argparse.SUPPRESS)
    parser.add_argument("--vectors", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--cores", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--ray", type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.items <= SMALL + args.joining:
        parser.error(f"there must be more than {SMALL + args.joining:,} items")
    return args


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings_test")
    args = parse()
    if args.run:
        print(json.dumps(run_place(np.load(args.vectors, mmap_mode="r"), args)))
        return
    facts = {name: getattr(args, name) for name in ("items", *SIZES, "pool", "seed")}
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        path = Path(folder) / "embeddings.npy"
        make_embeddings(path, args.items, args.dim, args.pool, args.seed)
        result = {"benchmark": "scale", **machine(), **facts, "places": benchmark(path, args)}
    if args.json:
        print(json.dumps(result))
    else:
        tell(result)


if __name__ == "__main__":
    main()
