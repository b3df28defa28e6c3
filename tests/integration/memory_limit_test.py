"""--mem-mb bounds the resident memory of the whole process: a person of real size with the smallest limit that lets all tasks in,
and what is refused by name below it."""
import json
import os
import re
import subprocess

from support import PROGRAM, Scratch, check, run, same

RESIDENT_SHARE = 1.25  # of the machine's memory for a declared byte


def limited(bids, out, megabytes, nprocs):
    """(exit code, text, most resident MB)"""
    process = subprocess.Popen([PROGRAM, bids, out, "participant", "--nprocs", str(nprocs), "--progress", "none", "--mem-mb", str(megabytes)],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, text, usage.ru_maxrss / 1e3


with Scratch() as scratch:
    bids = scratch.path("bids")
    run("simulate", bids, "--participants", 1, "--size", "real", "--tasks", "rest", "--random-seed", 7, expect=0)
    out = scratch.path("out")
    nodes = json.loads(run("plan", bids, out, "--format", "json")[1])["nodes"]
    people = [n for n in nodes if n["kind"] != "cohort"]
    kept = sum(n["kept_bytes"] for n in people)
    anatomy = next(n for n in people if n["kind"] == "anatomy")
    largest = max(n["peak_bytes"] for n in people)
    check(kept > 0 and largest > 0, nodes)

    # Too little for anything: the anatomy is refused by name, nothing is written, and the message tells what the program itself holds.
    code, text, resident = limited(bids, out, 500, 2)
    found = re.search(r"anatomy:sub-001: needs ([0-9.]+) GB of memory, the limit is 0.50 GB", text)
    check(code == 1 and found, f"{code} {text}")
    base = 1e3 * float(found.group(1)) - 1e-6 * RESIDENT_SHARE * (kept + anatomy["peak_bytes"])
    check(0 < base < 500, f"{base} MB before work begins")

    # Enough for one task at a time, whatever --nprocs is.
    limit = base + 1e-6 * RESIDENT_SHARE * (kept + largest) + 10
    shards = []
    for nprocs in (1, 8):
        out = scratch.path(f"out{nprocs}")
        code, text, resident = limited(bids, out, int(limit), nprocs)
        print(f"--nprocs {nprocs}: limit {limit:.0f} MB (program {base:.0f}, kept {1e-6 * kept:.0f}, largest task {1e-6 * largest:.0f}), "
              f"resident at most {resident:.0f} MB")
        check(code == 0, f"{code} {text}")
        check(resident <= limit, f"{resident:.0f} MB resident with a limit of {limit:.0f} MB")
        check(resident > 0.5 * limit, f"only {resident:.0f} MB resident: the declarations are absurdly high")
        shards.append(os.path.join(out, "sub-001", "sub-001.h5"))
    same(*shards)
print("ok")
