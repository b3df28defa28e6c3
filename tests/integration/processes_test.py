"""Several processes on one output folder, and what status says while they work: two at once end with the bytes of one, a killed
one is taken over, `submit --engine local` is the same as one process, --shard auto takes its part."""
import json
import os
import random
import signal
import subprocess
import time

from support import FAST, PROGRAM, Scratch, check, leftovers, run, same


def start(bids, out, *more):
    return subprocess.Popen([PROGRAM, bids, out, "all", "--nprocs", "1", "--progress", "none", *FAST, *more],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def status(out):
    code, text = run("status", out, "--json")
    check(code == 0, text)
    return json.loads(text)


def claims(out):
    folder = os.path.join(out, ".boldmill", "claims")
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


with Scratch() as scratch:
    bids = scratch.simulate("bids", 4)
    one = scratch.path("one")
    code, text = run(bids, one, "all", "--nprocs", "2", "--progress", "none", *FAST)
    check(code in (0, 1), text)
    reference = os.path.join(one, "cohort.h5")
    after = status(one)
    check(after["asked"] == 4 and len(after["done"]) == 4 and not after["pending"] and after["cohort"], after)
    check(not claims(one), f"claims are left: {claims(one)}")

    chance = random.Random(5)
    for attempt in range(2):  # benchmarks/scale makes fifty
        out = scratch.path(f"two{attempt}")
        first = start(bids, out)
        time.sleep(chance.uniform(0.0, 2.0))
        second = start(bids, out)
        seen_running = 0
        while first.poll() is None or second.poll() is None:
            if os.path.isdir(os.path.join(out, ".boldmill")):
                seen_running = max(seen_running, len(status(out)["running"]))
            time.sleep(0.2)
        for process in (first, second):
            check(process.returncode == code, f"code {process.returncode}\n{process.stderr.read()}")
        check(seen_running > 0, "status never saw anybody at work")
        same(reference, os.path.join(out, "cohort.h5"))
        check(not leftovers(out) and not claims(out), f"left: {leftovers(out)} {claims(out)}")
        made = {}
        for name in os.listdir(os.path.join(out, ".boldmill", "journal")):
            with open(os.path.join(out, ".boldmill", "journal", name)) as f:
                for line in map(json.loads, f):
                    if line.get("state") == "done":
                        made.setdefault(line["session"], []).append(name)
        check(sorted(made) == [f"sub-{i:03d}" for i in range(1, 5)] or len(made) == 4, made)
        twice = [s for s, names in made.items() if len(names) > 1]
        check(not twice, f"made by both: {twice}")

    # One of two is killed; the other takes over what it had.
    out = scratch.path("killed")
    first, second = start(bids, out), start(bids, out)
    time.sleep(2.5)
    first.send_signal(signal.SIGKILL)
    first.wait()
    check(second.wait() == code, second.stderr.read())
    same(reference, os.path.join(out, "cohort.h5"))
    run(bids, out, "all", "--progress", "none", *FAST, expect=code)
    check(not leftovers(out) and not claims(out), f"left: {leftovers(out)} {claims(out)}")

    # The same job scripts as processes of this machine.
    out = scratch.path("local")
    done, text = run("submit", bids, out, "--engine", "local", "--cpus", "1", "--max-array-size", "3", *FAST)
    check(done == code, text)
    same(reference, os.path.join(out, "cohort.h5"))
    check(sorted(os.listdir(os.path.join(out, "logs"))) ==
          ["local-0.out", "local-1.out", "local-2.out", "local-group.out"], os.listdir(os.path.join(out, "logs")))

    # A job array of a scheduler that numbers from 1; status in between.
    out = scratch.path("array")
    environment = dict(os.environ, SGE_TASK_ID="2", SGE_TASK_FIRST="1", SGE_TASK_LAST="2", SGE_TASK_STEPSIZE="1")
    run(bids, out, "participant", "--shard", "auto", "--progress", "none", *FAST, env=environment)
    between = status(out)
    check(len(between["done"]) == 2 and len(between["pending"]) == 2 and not between["cohort"], between)
    code_text, text = run("status", out)
    check("no process is at work" in text, text)
    code_text, text = run(bids, out, "participant", "--shard", "auto", *FAST)
    check(code_text == 2 and "no job array" in text, text)
    code_text, text = run("status", scratch.path("nothing"))
    check(code_text == 2 and "expected an output folder" in text, text)
print("ok")
