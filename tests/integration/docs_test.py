"""The guide: every block of docs/ that is marked as code is run, in order, as a reader would, on simulated people. Blocks with a mark
<!-- tests/integration/NAME_test.py runs this --> are run by that test. `output` blocks must occur in what the block before them printed."""
import os
import re
import shutil
import subprocess
import sys

from guide import blocks
from support import PROGRAM, SOURCE, Scratch, check

# They build on each other, in this order.
PAGES = ["first-study", "sites", "scoring", "tools", "cluster", "install"]
TOOLS = f"{SOURCE}/build/tools/bin"  # of scripts/setup --tests
RUNNERS = {"sh": ["bash", "-eu", "-c"], "python": ["python3", "-c"], "r": ["Rscript", "-e"], "octave": ["octave-cli", "--eval"],
           "matlab": ["octave-cli", "--path", f"{SOURCE}/tests/support/octave", "--eval"]}
RESULTS = {"python", "r", "octave", "matlab"}  # run in the output folder
absent = []


def environment(scratch):
    os.makedirs(scratch.path("bin"))
    os.symlink(PROGRAM, scratch.path("bin", "boldmill"))
    return dict(os.environ, PATH=f"{scratch.path('bin')}:{TOOLS}:/usr/bin:/bin", MPLBACKEND="Agg", NO_COLOR="1", PYTHONWARNINGS="ignore")


def missing(kind, code, env):
    """The program or module that a block needs and this machine lacks."""
    program = RUNNERS[kind][0] if kind != "sh" else ("bids-validator-deno" if code.startswith("bids-validator-deno") else
                                                     "h5ls" if code.startswith("h5ls") else "bash")
    if shutil.which(program, path=env["PATH"]) is None:
        return program
    for module in re.findall(r"^(?:import|from) (\w+)", code, re.M) if kind == "python" else []:
        if subprocess.run(["python3", "-c", f"import {module}"], env=env, capture_output=True, check=False).returncode:
            return f"{module} of Python"
    return None


def run_block(page, kind, code, scratch, env):
    lacking = missing(kind, code, env)
    if lacking:
        absent.append(f"{page}: {lacking}")
        return None
    cwd = scratch.path("out") if kind in RESULTS else scratch.path()
    done = subprocess.run([*RUNNERS[kind], code], cwd=cwd, env=env, capture_output=True, text=True, timeout=1200, check=False)
    print(f"--- {page} ({kind})\n{code}\n{done.stdout[-1500:]}{done.stderr[-600:]}")
    check(done.returncode == 0, f"{page}: code {done.returncode}")
    check("nan nan nan" not in done.stdout.lower(), f"{page}: nothing but missing values")
    return done.stdout + done.stderr


def check_marks():
    """Each page is run here or by the test that its marks name, and nothing in shell clothes is left out."""
    for name in sorted(os.listdir(f"{SOURCE}/docs")):
        for kind, code, mark in blocks(name):
            check(kind in {*RUNNERS, "output", "text", "json"}, f"{name}: a block of kind '{kind}'")
            if mark:
                with open(f"{SOURCE}/tests/integration/{mark}", encoding="utf-8") as file:
                    check(f'"{name}"' in file.read(), f"{name}: {mark} does not read it")
            elif kind in RUNNERS:
                check(name[:-3] in PAGES, f"{name}: nobody runs\n{code}")
        with open(f"{SOURCE}/docs/{name}", encoding="utf-8") as file:
            text = file.read()
        for link in re.findall(r"\]\(([\w.-]+\.md)\)", text):
            check(os.path.exists(f"{SOURCE}/docs/{link}"), f"{name}: no page {link}")
        for flag in set(re.findall(r"`(--[a-z][\w-]+)", text)):
            check(flag in MANUAL, f"{name}: boldmill has no option {flag}")
        for key in set(re.findall(r"[`= ]([a-z_]+\.[a-z_]+)=", text)):
            check(key in MANUAL, f"{name}: the configuration has no key {key}")


MANUAL = subprocess.run([PROGRAM, "help", "--man"], capture_output=True, text=True, check=True).stdout.replace("\\-", "-")
check_marks()
with Scratch() as scratch:
    env = environment(scratch)
    for page in PAGES:
        said = ""
        for kind, code, mark in blocks(f"{page}.md"):
            if mark or kind in ("text", "json"):
                continue
            if kind == "output":
                for line in code.splitlines() if said is not None else []:
                    check(line.strip() in said, f"{page}: not printed: {line}")
                continue
            said = run_block(page, kind, code, scratch, env)
    for picture in ("connectome.png", "matrix.png"):
        check(os.path.exists(scratch.path(picture)) or absent, f"{picture} was not drawn")
if absent:
    print("skipped: not on this machine: " + "; ".join(absent))
    sys.exit(77)
print("ok")
