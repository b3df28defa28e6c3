"""A short form of benchmarks/faults: a few of the fault matrix's cells on two simulated people. After every fault the exit code
is right, no final name holds a damaged file, and the next run ends with the same bytes."""
import os
import sys

from fault_runs import LIBRARY, MATRIX, arguments, count_calls, points, survive
from support import COMPARE, Scratch, check, run

CELLS = [("write", "ENOSPC", 1), ("write", "short", 1), ("write", "kill", 1), ("read", "EIO", 1), ("open", "EACCES", 1),
         ("sync", "EIO", 1), ("rename", "EIO", 1), ("link", "EIO", 1), ("close", "EIO", 1), ("memory", "ENOMEM", 2)]

if not LIBRARY or not os.path.exists(LIBRARY):
    print("no library of faults in this build (sanitizers have their own allocator)")
    sys.exit(77)
with Scratch() as scratch:
    bids = scratch.simulate("bids", 2)
    reference = scratch.path("reference")
    code, text = run(*arguments(bids, reference)[1:])
    check(code in (0, 1), text)
    out = scratch.path("out")
    counts = count_calls(bids, scratch.path("out"), out, scratch.path("counts"))
    print(counts)
    for call in ("write", "read", "open", "sync", "rename", "link", "unlink", "close", "memory"):
        check(counts[call] > 0, f"no {call} was seen: the library counts nothing")
    failures = []
    n = 0
    for call, fault, wanted in CELLS:
        check(fault in MATRIX[call], f"{call} {fault} is not in the matrix")
        for point in points(counts[call], wanted + 2)[1:-1] or points(counts[call], 1):
            spec = f"{call}:{fault}:{point}"
            n += 1
            wrong = survive(bids, out, out, spec, os.path.join(reference, "cohort.h5"), COMPARE)
            if wrong:
                failures.append(f"{spec} of {counts[call]}: {wrong}")
    # A disk that stays full.
    for point in points(counts["write"], 3)[1:-1]:
        spec = f"write:ENOSPC:{point}+"
        n += 1
        wrong = survive(bids, out, out, spec, os.path.join(reference, "cohort.h5"), COMPARE)
        if wrong:
            failures.append(f"{spec}: {wrong}")
    check(not failures, f"{len(failures)} of {n} faults were not survived:\n" + "\n".join(failures))
    print(f"{n} faults survived")
print("ok")
