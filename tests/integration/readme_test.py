"""The marked examples of README.md and of the guide's page on fMRIPrep, run on what the program makes of a small tree of fMRIPrep: the
command, and how its tables and matrices open in pandas, xarray and R without our code."""
import shlex
import shutil
import subprocess
import sys

import h5py
import guide
import nibabel as nb
from fmriprep_tree import tree
from support import FAST, SOURCE, Scratch, check, run

nb.openers.Opener.default_compresslevel = 1
MARK = "<!-- run by tests/integration/readme_test.py -->"


def marked():
    """The indented lines after each mark."""
    with open(f"{SOURCE}/README.md", encoding="utf-8") as file:
        text = file.read()
    blocks = []
    for part in text.split(MARK)[1:]:
        lines = part.lstrip("\n").split("\n")
        block = []
        for line in lines:
            if line and not line.startswith("    "):
                break
            block.append(line[4:])
        blocks.append("\n".join(block).strip("\n"))
    return blocks


with Scratch() as scratch:
    [(_, command)] = guide.marked("fmriprep.md", "readme_test.py")
    blocks = marked()
    check(len(blocks) == 2 and "import" in blocks[0] and "library(" in blocks[1], f"the marked examples of README.md: {blocks}")
    root, _ = tree(scratch.path("tree"), "25.2", 2, 150)
    out = scratch.path("out")
    words = [{"FMRIPREP_DIR": root, "OUTPUT_DIR": out}.get(word, word) for word in shlex.split(command)][1:]
    # Coarse settings; 300 s are too short for 36 parameters and a band, which the default refuses.
    code, text = run(*words, *FAST[1:], "nuisance_regression.min_dof=2", "nuisance_regression.fd_threshold_mm=0", "--progress", "none")
    check(code == 0, f"{code}\n{text}")
    with h5py.File(f"{out}/cohort.h5") as file:
        check({"correlation", "partial", "ledoit_wolf"} & set(file["connectivity/rest/AAL"]) >= {"correlation", "ledoit_wolf"} and
              {"alff", "reho", "strength_positive"} <= set(file["regional/rest/AAL"]), "what was asked for")
        r = file["connectivity/rest/AAL/correlation"][0, 1]
    done = subprocess.run([sys.executable, "-c", blocks[0]], cwd=out, capture_output=True, text=True, check=False)
    if "No module named" in done.stderr:
        print("skipped: " + done.stderr.strip().splitlines()[-1])
        sys.exit(77)
    check(done.returncode == 0 and "sub-01_task-rest" in done.stdout and f"{r:.6f}" in done.stdout,
          f"Python example:\n{done.stdout}\n{done.stderr}")
    print(done.stdout)
    if shutil.which("Rscript") is None:
        print("skipped: no R")
        sys.exit(77)
    with open(scratch.path("example.R"), "w", encoding="utf-8") as file:
        file.write(blocks[1])
    done = subprocess.run(["Rscript", scratch.path("example.R")], cwd=out, capture_output=True, text=True, check=False)
    if "there is no package" in done.stderr:
        print("skipped: no ncdf4 in R")
        sys.exit(77)
    check(done.returncode == 0 and "sub-01_task-rest" in done.stdout and f"{r:.2f}" in done.stdout,
          f"R example:\n{done.stdout}\n{done.stderr}")
    print(done.stdout)
print("ok")
