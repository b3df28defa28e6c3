"""Two people rate runs on the pages in a real browser; `group` honours and records what they downloaded, and changes nothing else."""
import os
import shutil
import subprocess
import sys

import h5py
import numpy as np
from support import FAST, SOURCE, Scratch, check, run

WEB = os.path.join(SOURCE, "pipeline", "report", "web")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FIRST, SECOND, THIRD = (f"sub-00{i}_task-rest" for i in (1, 2, 3))
# What a decision must change in the shard of the run: its status, what is made of the run, and the record of it.
OF_DECISION = ("connectivity", "circuits", "regional", "runs/qc_decision", "runs/qc_rater", "runs/status", "runs/reason")


def rate(study, browser, out, rater, *decisions):
    done = subprocess.run(["node", os.path.join(WEB, "browser_rate.mjs"), study, browser, out, rater, *decisions],
                          capture_output=True, text=True, timeout=600)
    check(done.returncode == 0, done.stdout + done.stderr)
    with open(out, encoding="utf-8") as file:
        return file.read().splitlines()


def datasets(path):
    with h5py.File(path) as file:
        found = {}

        def keep(name, item):
            if isinstance(item, h5py.Dataset):
                found[name] = np.asarray(item[()])

        file.visititems(keep)
    return found


def unchanged(before, after, person, allowed):
    """Of a shard what a decision may change, and nothing else."""
    old, new = (datasets(f"{folder}/sub-{person}/sub-{person}.h5") for folder in (before, after))
    found = [name for name in sorted(set(old) | set(new)) if not name.startswith(("provenance", *allowed)) and not
             (name in old and name in new and np.array_equal(old[name], new[name], equal_nan=old[name].dtype.kind == "f"))]
    check(len(set(old) & set(new)) > 50 and not found, f"sub-{person}: {found} changed")


def text(values):
    return [value.decode() for value in values]


def main():
    browser = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if not (browser and shutil.which("node") and os.path.isdir(os.path.join(WEB, "node_modules", "playwright-core"))):
        print("SKIPPED: needs chromium, node and the npm packages of pipeline/report/web (scripts/setup --tests)")
        return 77
    with Scratch() as scratch:
        bids, out, reviewed = scratch.simulate("bids", 3), scratch.path("out"), scratch.path("reviewed")
        run(bids, out, "all", "--progress", "none", *FAST, expect=0)
        shutil.copytree(out, reviewed)
        ana = rate(out, browser, scratch.path("ana.tsv"), "ana", FIRST, "fail", "ghosting\tand drift", SECOND, "warn", "some ringing", THIRD, "pass", "")
        ben = rate(out, browser, scratch.path("ben.tsv"), "ben", FIRST, "fail", "ghosts", SECOND, "fail", "ringing")
        check(ana[0] == ben[0] and len(ana) == 4 and len(ben) == 3, f"{ana} {ben}")
        table = scratch.path("review.tsv")
        with open(table, "w", encoding="utf-8") as file: # one under the other, the second head left out
            file.write("\n".join([*ana, *ben[1:], f"{SECOND}\tinclude\tconsensus\t2024-01-02\tn/a"]) + "\n")
        code, said = run(bids, reviewed, "group", "--progress", "none", *FAST, "--path", f"review={table}")
        check(code == 1 and FIRST in said, f"an excluded run is said by the exit code: {code} {said}")

        with h5py.File(f"{reviewed}/cohort.h5") as file:
            runs = file["runs"]
            check(text(runs["run_id"][()]) == [FIRST, SECOND, THIRD], "runs")
            check(text(runs["status"][()])[0] == "excluded" and "excluded" not in text(runs["status"][()])[1:], str(text(runs["status"][()])))
            check("review: ghosting and drift" in text(runs["reason"][()])[0], str(text(runs["reason"][()])))
            check(text(runs["qc_decision"][()]) == ["exclude", "include", "include"], str(text(runs["qc_decision"][()])))
            check(text(runs["qc_rater"][()]) == ["ana, ben", "ana, ben (exclude), consensus", "ana"], str(text(runs["qc_rater"][()])))
            review = file["cohort/review"]
            check(text(review["rater_a"][()]) == ["ana"] and text(review["rater_b"][()]) == ["ben"], "raters")
            check(list(review["n_runs"][()]) == [2] and list(review["agreement"][()]) == [0.5], f"{review['agreement'][()]}")
            check(np.isnan(file["circuits/measures"][0]).all() and np.isfinite(file["circuits/measures"][1]).any(), "measures")
        before, after = datasets(f"{out}/cohort.h5"), datasets(f"{reviewed}/cohort.h5")
        edges = [name for name in before if name.startswith("connectivity/") and before[name].shape[:1] == (3,) and before[name].ndim == 2]
        for name in ["circuits/measures", "circuits/measures_se", *edges]:
            check(np.array_equal(before[name][1:], after[name][1:], equal_nan=True), f"{name}: other people changed")
            check(np.isnan(after[name][0]).all(), f"{name}: the excluded run is still there")
        check(edges, "no connectivity compared")
        unchanged(out, reviewed, "001", OF_DECISION)
        for person in ("002", "003"):
            unchanged(out, reviewed, person, ("runs/qc_decision", "runs/qc_rater"))

        with open(f"{reviewed}/index.html", encoding="utf-8") as file:
            page = file.read()
        check("ana, ben (exclude), consensus" in page and "Agreement of raters over runs" in page, "the page shows decisions and agreement")

        # A decision on what is not here, and decisions that are no longer given, are said; tables of the cohort before do not stay.
        with open(table, "a", encoding="utf-8") as file:
            file.write("sub-9_task-rest\texclude\tana\t2024-01-02\tnobody\n")
        _, said = run(bids, reviewed, "group", "--progress", "none", *FAST, "--path", f"review={table}")
        check("warning: review: sub-9_task-rest is not among the runs" in said, said)
        with open(f"{reviewed}/.boldmill/tables", "a", encoding="utf-8") as file:
            file.write("predictions_gone.tsv\n../index.html\n")
        for name in ("predictions_gone.tsv", "mine.tsv"):
            with open(f"{reviewed}/tables/{name}", "w", encoding="utf-8") as file:
                file.write("a\n1\n")
        _, said = run(bids, reviewed, "all", "--progress", "none", *FAST)
        check("made with decisions on 3 runs; without --path review=FILE they no longer hold" in said, said)
        check(not os.path.exists(f"{reviewed}/tables/predictions_gone.tsv") and os.path.exists(f"{reviewed}/tables/mine.tsv") and
              os.path.exists(f"{reviewed}/tables/runs.tsv") and os.path.exists(f"{reviewed}/index.html"), str(os.listdir(f"{reviewed}/tables")))
    return 0


sys.exit(main())
