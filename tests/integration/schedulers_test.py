"""The example scripts for SGE, LSF, PBS and Snakemake, run as their schedulers would (by the variables these set), on one output
folder: together they end with the bytes of one run, and a script that is told to stop says that it can be continued. Snakemake
itself is run when it is there."""
import os
import shutil
import signal
import subprocess
import time

from support import FAST, PROGRAM, SOURCE, Scratch, check, leftovers, run, same

# What the scheduler sets for the second, first and third task of three.
TASKS = {"sge.sh": {"SGE_TASK_ID": "2", "SGE_TASK_FIRST": "1", "SGE_TASK_LAST": "3", "SGE_TASK_STEPSIZE": "1", "NSLOTS": "1"},
         "lsf.sh": {"LSB_JOBINDEX": "1", "LSB_JOBINDEX_END": "3", "LSB_JOBINDEX_STEP": "1", "LSB_DJOB_NUMPROC": "1"},
         "pbs.sh": {"PBS_ARRAY_INDEX": "2", "TASKS": "3", "NCPUS": "1"}}


def start(script, variables, bids, out):
    path = os.path.join(SOURCE, "scripts", "examples", script)
    env = {**os.environ, "BOLDMILL": PROGRAM, **variables}
    words = [bids, out, *FAST] if script == "sge.sh" else []
    if not words:
        env.update(BIDS=bids, OUT=out, OPTIONS=" ".join(FAST))
    return subprocess.Popen(["bash", path, *words], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def shards(out):
    return sorted(name for _, _, files in os.walk(out) for name in files if name.startswith("sub-") and name.endswith(".h5"))


def expect_code(process, allowed, what):
    text, _ = process.communicate(timeout=900)
    check(process.returncode in allowed, f"{what}: code {process.returncode}, expected {allowed}\n{text}")


with Scratch() as scratch:
    bids, one, out = scratch.simulate("bids", 3), scratch.path("one"), scratch.path("out")
    code, text = run(bids, one, "all", "--progress", "none", *FAST)
    check(code in (0, 1), text)

    stopped = start("sge.sh", TASKS["sge.sh"], bids, out)
    time.sleep(1.5)
    stopped.send_signal(signal.SIGTERM)
    expect_code(stopped, {99}, "an interrupted SGE task is queued again")
    check(not shards(out), f"interrupted after 1.5 s, and yet {shards(out)}")

    for number, (script, variables) in enumerate(TASKS.items(), 1):
        expect_code(start(script, variables, bids, out), {0, 1}, script)
        check(len(shards(out)) == number, f"{script} should have made one more: {shards(out)}")

    if shutil.which("snakemake"):
        words = ["snakemake", "-s", os.path.join(SOURCE, "scripts", "examples", "Snakefile"), "--cores", "2", "--nolock",
                 "--directory", scratch.path(), "--config", f"bids={bids}", f"out={out}", "shards=2", f"boldmill={PROGRAM}",
                 f"options={' '.join(FAST)}"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=900, env={**os.environ, "HOME": scratch.path()})
        check(done.returncode == 0, done.stdout + done.stderr)
        check("3 of 3 steps" in done.stdout + done.stderr or "steps (100%) done" in done.stdout + done.stderr, done.stderr)
    else:
        print("no snakemake on this machine: its example was not run")
        run(bids, out, "group", *FAST)
    same(os.path.join(one, "cohort.h5"), os.path.join(out, "cohort.h5"))
    check(not leftovers(out), f"left: {leftovers(out)}")
    print("SGE, LSF, PBS and Snakemake: the bytes of one run")
