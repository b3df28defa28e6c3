"""Identical datasets for one and several threads, shards, kills with resume, and a rerun from the file."""
import glob
import os
import random
import signal
import subprocess
import time

from support import FAST, PROGRAM, Scratch, check, leftovers, run, same


def same_shards(one, other):
    """What is not merged too: pictures, carpets."""
    shards = [os.path.relpath(p, one) for p in glob.glob(f"{one}/sub-*/**/sub-*.h5", recursive=True)]
    check(len(shards) == 4, str(shards))
    for shard in shards:
        same(os.path.join(one, shard), os.path.join(other, shard))


def killed_and_resumed(bids, out, kills, seed):
    chance = random.Random(seed)
    command = [PROGRAM, bids, out, "all", "--nprocs", "2", "--progress", "none", *FAST]
    begun = time.time()
    subprocess.run(command + ["--dry-run"], capture_output=True, check=True)
    done = 0
    for kill in range(kills):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0.05, 2.5))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            done += 1
        process.wait()
    code, text = run(*command[1:])
    check(code in (0, 1), f"resumed run ended with {code}\n{text}")
    check(not leftovers(out), f"leftovers after the resumed run: {leftovers(out)}")
    print(f"killed {done} of {kills} times, {time.time() - begun:.0f} s")
    check(done >= kills // 2, "most tries must have been killed before the end")


with Scratch() as scratch:
    bids = scratch.simulate("bids", 4)
    one = scratch.path("one")
    code, text = run(bids, one, "all", "--nprocs", "1", "--progress", "none", *FAST)
    check(code in (0, 1), text)
    reference = os.path.join(one, "cohort.h5")

    for threads in ("2", "8"):
        out = scratch.path("threads" + threads)
        run(bids, out, "all", "--nprocs", threads, "--progress", "none", *FAST, expect=code)
        same(reference, os.path.join(out, "cohort.h5"))
        same_shards(one, out)

    shards = scratch.path("shards")
    for shard in ("0/2", "1/2"):
        run(bids, shards, "participant", "--shard", shard, "--progress", "none", *FAST)
    run(bids, shards, "group", *FAST, expect=code)
    same(reference, os.path.join(shards, "cohort.h5"))
    os.remove(os.path.join(shards, "cohort.h5"))
    run("merge", shards, expect=code)
    same(reference, os.path.join(shards, "cohort.h5"))

    killed = scratch.path("killed")
    killed_and_resumed(bids, killed, 10, 3)
    same(reference, os.path.join(killed, "cohort.h5"))
    same_shards(one, killed)

    again = scratch.path("again")
    run("rerun", reference, "--bids", bids, "--out", again, "--verify", "--progress", "none", expect=0)

    # Shards made from a full cache, as after a kill between the last estimate and the shard.
    run(bids, killed, "all", "--force", "--nprocs", "2", "--progress", "none", *FAST, expect=code)
    same(reference, os.path.join(killed, "cohort.h5"))
    same_shards(one, killed)

    # A second run of a finished study does nothing new and ends with the same bytes.
    run(bids, one, "all", "--nprocs", "2", "--progress", "none", *FAST, expect=code)
    same(os.path.join(again, "cohort.h5"), reference)
print("ok")
