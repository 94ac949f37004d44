"""The benchmark: Microtome beside its peers and beside the decode bound, in alternating rounds.

    python bench/run.py --rounds 3 --only ours openslide --cases ycbcr-256-1um

The first call makes slides (a minute) and one environment a peer (minutes each) in bench/.cache/.
"""

import argparse
from pathlib import Path

from contestants import CONTESTANTS, Contestant
from environments import UNAVAILABLE, NotInstallableError
from measuring import Case, Measurement, measure
from places import make_places
from report import write_report

from slides import DENSE, make_slide

HERE = Path(__file__).parent
SPACINGS_UM = (1.0, 0.5)


def main() -> None:
    """Measure what the command line asks for and write results.md and results.json."""
    arguments = _arguments()
    contestants = [c for c in CONTESTANTS if not arguments.only or c.name in arguments.only]
    rounds = 1 if arguments.quick else arguments.rounds
    results, missing = [], dict(UNAVAILABLE)
    for case in _cases(arguments.cases):
        here = [c for c in contestants if c.takes(case)]
        results.append(
            (
                case,
                _in_rounds(case, here, rounds, missing, quick=arguments.quick, pin=arguments.pin),
            )
        )
        # After each case: hours of measuring must not be lost with the last one.
        write_report(HERE, results, missing, rounds=rounds)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = sorted({c.name for c in CONTESTANTS})
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--cases", nargs="+", metavar="CASE", help="such as ycbcr-256-1um")
    parser.add_argument("--quick", action="store_true", help="one round, 100 patches a slow peer")
    parser.add_argument("--pin", action="store_true", help="as many cores as workers, no more")
    return parser.parse_args()


def _cases(wanted: list[str] | None) -> list[Case]:
    named = {f"{spec.name}-{um:g}um": (spec, um) for spec in DENSE for um in SPACINGS_UM}
    unknown = set(wanted or ()) - set(named)
    if unknown:
        raise SystemExit(f"unknown cases {', '.join(unknown)}; known are {', '.join(named)}")
    cases = []
    for name, (spec, spacing_um) in named.items():
        if not wanted or name in wanted:
            slide = make_slide(spec)
            cases.append(Case(name, slide, make_places(spec, spacing_um), spacing_um))
    return cases


def _in_rounds(
    case: Case,
    contestants: list[Contestant],
    rounds: int,
    missing: dict[str, str],
    *,
    quick: bool,
    pin: bool,
) -> list[Measurement]:
    """Everyone once, then everyone again: what else the machine does hits all alike."""
    found: dict[tuple, Measurement] = {}
    for i in range(rounds):
        for contestant in contestants:
            for workers in contestant.workers:
                if contestant.name in missing:
                    continue
                label = f"{case.name}, {contestant.title}, {workers} workers"
                try:
                    run = measure(contestant, case, workers, quick=quick, pin=pin)
                except NotInstallableError as error:
                    missing[contestant.name] = f"not installable: {error}"
                    continue
                except RuntimeError as error:
                    print(f"{label}: {error}")
                    missing[f"{contestant.title} ({case.name})"] = f"fails: {error}"
                    continue
                print(f"round {i + 1}, {label}: {run['n'] / run['loop_s']:.0f} patches/s")
                key = contestant.title, workers
                found.setdefault(key, Measurement(contestant, workers, case)).runs.append(run)
    return list(found.values())


if __name__ == "__main__":
    main()
