"""`submit` on a real Slurm of three nodes: one node loses its power, one job is preempted, and the cohort has the bytes of one run.
A short form of benchmarks/scale."""
import json
import os
import subprocess
import sys
import time

import slurm
from guide import marked
from support import FAST, PROGRAM, SOURCE, Scratch, check, leftovers, run, same



def guide_lines():
    """The commands of the guide's page on clusters, as written."""
    [(_, code)] = marked("cluster.md", "slurm_test.py")
    with open(os.path.join(SOURCE, "README.md"), encoding="utf-8") as file:
        shown = file.read().splitlines()
    check(all("    " + line in shown for line in code.splitlines()), "README.md does not show the lines of docs/cluster.md")
    return code.splitlines()


def settings():
    """The fast settings of the tests as a configuration file."""
    out = {}
    for item in FAST[1:]:
        key, value = item.split("=")
        section, name = key.split(".")
        out.setdefault(section, {})[name] = json.loads(f"[{value}]" if "," in value else value)
    return json.dumps(out)


def shell(text, scratch, cluster, bids, out):
    env = dict(cluster.env, BIDS=bids, OUT=out, PROGRAM=PROGRAM)
    script = 'set -e\nboldmill() { "$PROGRAM" "$@"; }\n' + text
    done = subprocess.run(["bash", "-c", script], cwd=scratch.path(), env=env, capture_output=True, text=True, timeout=900)
    check(done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}")
    return done.stdout


reason = slurm.why_not()
if reason:
    print(f"no Slurm here: {reason}")
    sys.exit(77)
with Scratch() as scratch:
    bids = scratch.simulate("bids", 8)
    one = scratch.path("one")
    code, text = run(bids, one, "all", "--nprocs", "2", "--progress", "none", *FAST)
    check(code in (0, 1), text)
    with slurm.Slurm() as cluster:
        out = scratch.path("out")
        lines = guide_lines()
        check(len(lines) >= 5 and any("submit" in line and "dry-run" not in line for line in lines), lines)
        with open(scratch.path("lab.json"), "w") as f:
            f.write(settings())
        text = shell("\n".join(line.replace("less ", "ls ") for line in lines[:4]), scratch, cluster, bids, out)
        print(text[-200:].strip())
        with open(os.path.join(out, ".boldmill", "submit", "participant.sbatch")) as f:
            script = f.read()
        check("#SBATCH --array=0-7" in script and "#SBATCH --requeue" in script and "#SBATCH --signal=B:TERM@60" in script, script)
        started = cluster.wait(240, lambda states: sum(s == "RUNNING" for s in states.values()) >= 3)
        check(started, f"nothing runs: {cluster.states()}")
        for _ in range(240):  # until people are at work, the template being ready
            if len(json.loads(run("status", out, "--json")[1])["running"]) >= 2:
                break
            time.sleep(0.5)
        n = cluster.kill_node("n1")
        print(f"n1 lost its power, {n} processes with it")
        hurry = cluster.call("sbatch", "--parsable", "-p", "high", "-w", "n2", "-n", "2", "-o", "/dev/null", "--wrap", "sleep 3").strip()
        time.sleep(2.0)
        _, text = run("status", out, "--json")
        middle = json.loads(text)
        print({k: len(v) if isinstance(v, list) else v for k, v in middle.items()})
        check(middle["asked"] == 8, middle)
        over = cluster.wait(900, lambda states: all(s in slurm.ENDED for s in states.values()))
        check(over, f"not over after 900 s: {cluster.states()}")
        print(cluster.states())
        check(cluster.states()[hurry] == "COMPLETED", "the preempting job did not run")
        text = shell("\n".join(line.replace("less ", "cat ") for line in lines[4:]), scratch, cluster, bids, out)
        check("all done, cohort.h5 is there" in text, text)
    with open(os.path.join(out, "logs", [n for n in os.listdir(os.path.join(out, "logs")) if "group" in n][0])) as f:
        group = f.read()
    check(os.path.exists(os.path.join(out, "cohort.h5")), group)
    same(os.path.join(one, "cohort.h5"), os.path.join(out, "cohort.h5"))
    _, text = run("status", out, "--json")
    after = json.loads(text)
    check(len(after["done"]) == 8 and not after["pending"] and not after["running"], after)
    # What a dead node left half-written in a folder nobody came back to may stay for a day; here all is one machine.
    run(bids, out, "all", "--progress", "none", *FAST, expect=code)
    check(not leftovers(out), f"leftovers: {leftovers(out)}")
print("ok")
