"""The official BIDS validator finds no error in what `simulate` writes, nor in the output of a run with every image as a derivative."""
import glob
import json
import os
import subprocess
import sys
from collections import Counter

from support import FAST, SOURCE, Scratch, check, run

VALIDATOR = f"{SOURCE}/build/tools/bin/bids-validator-deno"  # of scripts/setup --tests
# What is ignored by name must stay what BIDS has no names for.
IGNORED = {"*.h5", "**/*.h5", "*.html", "methods.md", "references.bib", "tables", "logs", "figures", ".boldmill/", "*_relmat.tsv",
           "*_timeseries.tsv", "*_timeseries.json", "*_xfm.*", "*_boldref.*", "*_boldmap.*", "model_card_*.json"}


def issues(folder, least=10):
    done = subprocess.run([VALIDATOR, folder, "--format", "json"], capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)
    listed = found["issues"]["issues"]
    print(os.path.basename(folder), Counter((i["severity"], i["code"]) for i in listed), found["summary"]["totalFiles"], "files")
    check(found["summary"]["totalFiles"] >= least, f"{folder}: the validator saw {found['summary']['totalFiles']} files")
    return [i for i in listed if i["severity"] == "error"]


if not os.path.exists(VALIDATOR):
    print("skipped: the BIDS validator is not there (scripts/setup --tests)")
    sys.exit(77)
with Scratch() as scratch:
    bids, out = scratch.path("bids"), scratch.path("out")
    run("simulate", bids, "--participants", 2, "--tasks", "rest", "--random-seed", 5, expect=0)
    code, text = run(bids, out, "all", "--participant-label", "001", "--write-volumes", "all", "--progress", "none", *FAST,
                     "nuisance_regression.min_dof=1", "nuisance_regression.fd_threshold_mm=0.12", "gates.max_fd_share=1",
                     "regional.measures=alff")
    check(code in (0, 1), text)
    sidecars = glob.glob(f"{out}/sub-001/func/*desc-denoised_bold.json")
    check(len(sidecars) == 1 and "VolumeTiming" in open(sidecars[0], encoding="utf-8").read(), f"a denoised image with gaps: {text}")
    run("export", f"{out}/cohort.h5", "--out", scratch.path("exported"), expect=0)
    # BIDS has no names yet for series and matrices: of what export writes it sees the descriptions.
    for folder, least in ((bids, 20), (out, 30), (scratch.path("exported"), 2)):
        found = issues(folder, least)
        check(not found, f"{folder}: {found[:5]}")
    with open(f"{out}/.bidsignore", encoding="utf-8") as file:
        check(set(file.read().split()) <= IGNORED, "more is ignored than before")
    # The validator does see what is wrong.
    os.remove(f"{bids}/sub-001/func/sub-001_task-rest_bold.json")
    check(issues(bids), "a run without its sidecar is an error")
print("ok")
