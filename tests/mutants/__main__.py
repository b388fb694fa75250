"""`make mutants`: prove that each listed fault makes its test fail. Exits with 1 unless every one was killed."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.mutants.mutant import Mutant, read_lists
from tests.mutants.run import BadTests, Copy, Result, Verdict, prove_tests, run_mutants
from tests.mutants.selection import LISTS, Git, changed_since, named, spread
from tests.support.watchdog import Watchdog


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    options = _options(arguments)
    root: Path = options.root.resolve()
    mutants = _selected(options, read_lists(root / LISTS), Git(root))
    if options.list:
        for mutant in mutants:
            print(f"{mutant.name}  ({mutant.file})\n    {mutant.rule}\n    {'  '.join(mutant.tests)}")
        return 0
    if not mutants:
        return 0
    watchdog = Watchdog()  # ends the tests and removes the copies, also when this is killed
    try:
        return _run(root, mutants, watchdog.new_folder(), min(options.processes, len(mutants)))
    finally:
        watchdog.close(keep=False)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make mutants ARGS=...", description=__doc__)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--all", action="store_true", help="run the whole list")
    which.add_argument(
        "--since",
        metavar="COMMIT",
        help="run what changed since this commit (by default: since this branch left origin/main, or the last commit)",
    )
    which.add_argument("-k", metavar="TEXT", help="run those with this text in their name or file")
    parser.add_argument("--at-most", type=int, metavar="N", help="of more than N, run N from all parts of the list")
    parser.add_argument("--list", action="store_true", help="print them, and run nothing")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="how many to run at a time")
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[2], help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def _selected(options: argparse.Namespace, mutants: list[Mutant], git: Git) -> list[Mutant]:
    """Return the mutants that the options ask for, and print which these are."""
    chosen: list[Mutant] | None
    if options.all:
        chosen, which = mutants, "in the list"
    elif options.k:
        chosen, which = named(mutants, options.k), f"with {options.k!r} in their name or file"
    else:
        base = options.since or git.base()
        chosen, which = changed_since(base, git, mutants) if base else None, f"touched since {base}"
        if chosen is None and options.since:
            raise SystemExit(f"git does not know the commit {base}")
        if chosen is None:
            chosen, which = mutants, "in the list (there is no history to compare with)"
    wanted = spread(chosen, options.at_most or len(mutants))
    print(f"{len(chosen)} mutants {which}; running {len(wanted)}.", flush=True)
    return wanted


def _run(root: Path, mutants: list[Mutant], folder: Path, processes: int) -> int:
    copies = [Copy(root, folder / str(number)) for number in range(processes)]
    begun = time.monotonic()
    try:
        for copy in copies[1:]:
            copy.compile()
        prove_tests(copies[0], mutants, processes)
    except BadTests as error:
        print(f"Some of their tests fail without any mutant, so nothing can be proved:\n{error}")
        return 1
    print(f"Their tests pass on the code as it is ({time.monotonic() - begun:.0f} s).", flush=True)
    width = max(len(mutant.name) for mutant in mutants)

    def report(result: Result) -> None:
        why = result.killer.rpartition("/")[2] if result.verdict is Verdict.KILLED else result.reason
        print(f"{result.verdict.value:9} {result.mutant.name:{width}} {result.seconds:5.1f} s  {why}", flush=True)

    results = run_mutants(copies, mutants, report)
    _print_totals(results, time.monotonic() - begun)
    return 0 if all(result.verdict is Verdict.KILLED for result in results) else 1


def _print_totals(results: list[Result], seconds: float) -> None:
    for result in results:
        if result.verdict is not Verdict.KILLED:
            print(f"\n{result.verdict.value}: {result.mutant.name}, in {result.mutant.file}\n  {result.mutant.rule}")
            print(f"  {'  '.join(result.mutant.tests)}\n  {result.killer} {result.reason}")
    counts = {verdict: sum(result.verdict is verdict for result in results) for verdict in Verdict}
    totals = ", ".join(f"{count} {verdict.value.lower()}" for verdict, count in counts.items() if count)
    print(f"\n{len(results)} mutants: {totals} ({seconds:.0f} s).")


if __name__ == "__main__":
    sys.exit(main())
