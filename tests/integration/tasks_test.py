"""From events to circuit scores on simulated cohorts with tasks: every measure has a value or a reason; another lab's names and
another circuit definition by configuration alone; bad events cost their own measures; same bytes for any threads and shards."""
import csv
import json
import os
import shutil

import h5py
import nibabel as nb
import numpy as np
from support import FAST, SOURCE, Scratch, check, run, same

QUIET = ["--progress", "none"]  # and the estimates of images are shared, see below
# Short runs: 120 volumes of 2 s. What is estimated from images is kept in one work folder for all runs of this test: it is about
# what comes after (that images give the same bytes at any number of threads is the matter of same_bytes_test).
TASKS = ["--tasks", "conscious,nonconscious,gonogo", "--volumes", "120", "--sites", "1", "--prevalence", "0.4"]
SET = [*FAST, "scores.min_reference=3"]


def circuits(out):
    with h5py.File(os.path.join(out, "cohort.h5")) as f:
        c, text = f["circuits"], lambda d: [x.decode() for x in d[:]]
        names = {k: text(f[k]) for k in ("measure", "feature", "score")}
        reasons = text(c["reason_text"])
        data = {k: c[k][:] for k in c if isinstance(c[k], h5py.Dataset) and c[k].dtype.kind in "fi"}
        data["source"] = text(c["source"])
        data["reason"] = [[reasons[i] for i in row] for row in c["missing_reason"][:]]
        data["people"] = text(f["participants/participant_id"])
        return names, data


def complete(names, data):
    """A value with its error, or a reason, everywhere."""
    for p, person in enumerate(data["people"]):
        for m, measure in enumerate(names["measure"]):
            value, se, reason = data["measures"][p, m], data["measures_se"][p, m], data["reason"][p][m]
            check(np.isfinite(value) == (reason == ""), f"{person} {measure}: value {value}, reason '{reason}'")
            check(not np.isfinite(value) or se > 0, f"{person} {measure}: standard error {se}")


def relabel(bids, copy, change):
    """A copy of the dataset whose files and events carry other names."""
    shutil.copytree(bids, copy)
    for folder, _, files in os.walk(copy):
        for name in files:
            if "_task-" not in name:
                continue
            path, new = os.path.join(folder, name), name
            for old, label in change["labels"].items():
                new = new.replace(f"_task-{old}_", f"_task-{label}_")
            if name.endswith("_events.tsv"):
                with open(path) as f:
                    rows = list(csv.reader(f, delimiter="\t"))
                column = rows[0].index("trial_type")
                rows[0][column] = change["column"]
                for row in rows[1:]:
                    row[column] = change["types"].get(row[column], row[column])
                with open(path, "w") as f:
                    f.writelines("\t".join(r) + "\n" for r in rows)
            os.rename(path, os.path.join(folder, new))
    shutil.rmtree(os.path.join(copy, "sourcedata"), ignore_errors=True)


with Scratch() as scratch:
    QUIET += ["-w", scratch.path("work")]
    bids = scratch.path("bids")
    run("simulate", bids, "--participants", 6, "--size", "tiny", "--random-seed", 11, *TASKS, expect=0)
    events = os.path.join(bids, "sub-{0}", "func", "sub-{0}_task-{1}_events.tsv")
    subs = sorted(d[4:] for d in os.listdir(bids) if d.startswith("sub-"))

    # Two threads, or one and shards: the same bytes.
    out = scratch.path("out")
    code, text = run(bids, out, "all", "--nprocs", "2", *QUIET, *SET)
    check(code in (0, 1), text)
    two = scratch.path("two")
    for shard in ("0/2", "1/2"):
        run(bids, two, "participant", "--shard", shard, "--nprocs", "1", *QUIET, *SET)
    run(bids, two, "group", *QUIET, *SET, expect=code)
    same(os.path.join(out, "cohort.h5"), os.path.join(two, "cohort.h5"))

    names, data = circuits(out)
    check([len(names[k]) for k in ("measure", "feature", "score")] == [51, 41, 12], "sizes of the published definition")
    complete(names, data)
    share = np.isfinite(data["measures"]).mean()
    print(f"{share:.1%} of the measures are there; sources {sorted(set(data['source']))}")
    check(share > 0.8, "most measures must be there")
    check(set(data["source"]) <= {"residual", ""}, f"sources {data['source']}, expected residual: there is no resting run")
    check(np.isfinite(data["scores"]).any(axis=0).all(), "a score is missing in everybody")
    r = data["measures_error_correlation"]
    check(r.shape == (6, 51, 51) and r.dtype == np.float32, f"error correlation {r.shape} {r.dtype}")
    for p in range(6):
        there = np.isfinite(data["measures_se"][p]) & np.isfinite(data["measures"][p])
        block = r[p][np.ix_(there, there)].astype(float)
        check(np.allclose(np.diag(block), 1, atol=1e-6) and np.linalg.eigvalsh(block).min() > -1e-4,
              "an error correlation has unit diagonal and no negative eigenvalue")
        check(np.isnan(r[p][~there]).all(), "measures without an error have no correlation of errors")
    with open(os.path.join(SOURCE, "configs", "taxonomies", "published2024.json")) as f:
        definition = json.load(f)
    pairs = [[names["measure"].index(m) for m in x["members"]] for x in definition["features"] if len(x["members"]) == 2]
    shared = np.nanmean([r[:, a, b] for a, b in pairs])
    task_of = {m["code"]: m["task"] for m in definition["measures"]}
    apart = [np.nanmax(np.abs(r[:, i, j])) for i, a in enumerate(names["measure"]) for j, b in enumerate(names["measure"])
             if "rest" not in (task_of[a], task_of[b]) and task_of[a] != task_of[b]]
    print(f"errors of the two directions of a pair correlate by {shared:.2f}, those of two tasks by at most {max(apart):.2f}")
    check(shared > 0.15, "the two directions of a pair share their error")
    check(max(apart) == 0, "two runs share no error")
    check(np.isfinite(data["measures_half_difference"]).mean() > 0.7, "split halves are missing")

    # Six people are too few for a reliability, and it says so.
    with h5py.File(os.path.join(out, "cohort.h5")) as f:
        r = f["cohort/reliability"]
        check(np.isnan(r["within_run"][:]).all() and set(r["session_error"].asstr()[:]) == {"not available"}, "reliability of six people")
        check(all("people with" in x for x in r["within_run_reason"].asstr()[:]), f"reasons {set(r['within_run_reason'].asstr()[:])}")
        check(r["reliable_change"].shape == (6, 51), "a reliable change of every row and measure")
    check(os.path.exists(os.path.join(out, "tables", "reliability.tsv")), "tables/reliability.tsv")

    # Another lab: its own task labels, column and trial types; the numbers are the same.
    other = scratch.path("other")
    relabel(bids, other, {"labels": {"conscious": "emofaces", "gonogo": "stroop"}, "column": "stim",
                          "types": {"sad": "SADFACE", "neutral": "CALM", "nogo": "incongruent", "go": "congruent"}})
    lab = scratch.path("lab.json")
    with open(lab, "w") as f:
        json.dump({"tasks": {"con": {"labels": ["emofaces"], "column": "stim",
                                     "conditions": {"sad": ["SAD*"], "neutral": ["CALM"]}},
                             "nco": {"column": "stim", "conditions": {"neutral": ["CALM"]}},
                             "gng": {"labels": ["stroop"], "column": "stim",
                                     "conditions": {"nogo": ["incongruent"], "go": ["congruent"]}}}}, f)
    _, text = run("validate", other, "-c", lab, expect=0)
    for line in ("task con  6 runs labelled emofaces, 6 with events", "condition sad  ", "contrast nogo_vs_go  6 runs"):
        check(line in text, f"validate: expected '{line}' in\n{text}")
    third = scratch.path("third")
    run(other, third, "all", "-c", lab, *QUIET, *SET, expect=code)
    _, again = circuits(third)
    # Residuals stand one after the other in the order of their labels, so sums of task-free measures are added in another order.
    free = np.array([task_of[m] == "rest" for m in names["measure"]])
    check(np.array_equal(again["measures"][:, ~free], data["measures"][:, ~free], equal_nan=True), "names of a lab moved a number")
    check(np.allclose(again["measures"][:, free], data["measures"][:, free], rtol=0, atol=1e-12, equal_nan=True), "names of a lab moved a task-free measure")

    # A task that is not in the definition, a contrast of an unknown condition: said before work begins.
    for change, expected in (({"stroop": {"labels": ["stroop"]}}, "has no such task, expected one of con, gng, nco, rest"),
                             ({"gng": {"contrasts": {"nogo_vs_go": {"stop": 1}}}}, "unknown condition stop"),
                             ({"gng": {"labls": ["x"]}}, "did you mean tasks.gng.labels?")):
        with open(lab, "w") as f:
            json.dump({"tasks": change}, f)
        _, text = run(bids, scratch.path("no"), "all", "-c", lab, *QUIET, expect=2)
        check(expected in text, f"expected '{expected}' in:\n{text}")

    # Bad events of one person each: their own measures are missing with the reason, all else stays.
    def edit(sub, task, change):
        path = events.format(sub, task)
        with open(path) as f:
            rows = list(csv.reader(f, delimiter="\t"))
        rows = change(rows)
        with open(path, "w") as f:
            f.writelines("\t".join(r) + "\n" for r in rows)

    cases = {
        "negative duration": ("conscious", lambda rows: [rows[0], [rows[1][0], "-3", *rows[1][2:]], *rows[2:]], "expected >= 0 s", "NS2"),
        "missing column": ("gonogo", lambda rows: [[r[0]] + r[2:] for r in rows], "duration", "C1"),
        "outside": ("nonconscious", lambda rows: [rows[0]] + [[str(float(r[0]) + 9000), *r[1:]] for r in rows[1:]],
                    "lie outside the run", "NTN1"),
        "no event": ("conscious", lambda rows: [r for r in rows if "sad" not in r], "condition sad: no event of it", "NS1NS2a"),
        "unknown": ("gonogo", lambda rows: [rows[0]] + [[*r[:2], "thing", *r[3:]] for r in rows[1:]], "no event of it", "C1C2a")}
    for (name, (task, change, _, _)), sub in zip(cases.items(), subs):
        edit(sub, task, change)
    os.remove(events.format(subs[5], "gonogo"))
    broken = scratch.path("broken")
    run(bids, broken, "all", *QUIET, *SET, expect=code)
    _, bad = circuits(broken)
    complete(names, bad)
    for (name, (task, _, expected, measure)), p in zip(cases.items(), range(5)):
        reason = bad["reason"][p][names["measure"].index(measure)]
        check(expected in reason, f"{name}: reason of {measure} is '{reason}', expected '{expected}' in it")
    check("no events.tsv applies to it" in bad["reason"][5][names["measure"].index("C1")], "missing events")
    ns2 = names["measure"].index("NS2")
    check(np.array_equal(bad["measures"][1:3, ns2], data["measures"][1:3, ns2], equal_nan=True),
          "the others' events moved a number")

    # A second definition: three regions, one task, five measures. Sizes come from it.
    second = os.path.join(SOURCE, "tests", "integration", "second_taxonomy.json")
    run("simulate", scratch.path("small"), "--participants", 5, "--size", "tiny", "--random-seed", 5, "--tasks", "gonogo",
        "--volumes", "120", "--sites", "1", "--prevalence", "0.4", expect=0)
    fourth = scratch.path("fourth")
    code, text = run(scratch.path("small"), fourth, "all", "--path", f"taxonomy={second}", *QUIET, *SET)
    check(code in (0, 1), text)
    names, data = circuits(fourth)
    check([len(names[k]) for k in ("measure", "feature", "score")] == [5, 4, 2], f"sizes {names}")
    complete(names, data)
    check(np.isfinite(data["scores"]).any(), "no score of the second definition")

    # The published definition on a cohort with one task: the rest is missing with reasons.
    fifth = scratch.path("fifth")
    run(scratch.path("small"), fifth, "all", *QUIET, *SET, expect=code)
    names, data = circuits(fifth)
    complete(names, data)
    reason = data["reason"][0][names["measure"].index("NS2")]
    check(reason == "task con absent: no run is labelled con, conscious", f"reason '{reason}'")
    alone = data["measures_se"][0][[names["measure"].index(m) for m in ("C1", "C3", "C1C2a")]]

    # A second run of the task, a quarter shorter: both count, and events after its end are left out.
    func = scratch.path("small", f"sub-{data['people'][0].removeprefix('sub-')}", "func")
    stem = os.path.join(func, next(f for f in os.listdir(func) if f.endswith("_bold.nii.gz"))[:-len("_bold.nii.gz")])
    for name in [f for f in os.listdir(func) if f.startswith(os.path.basename(stem) + "_")]:
        suffix = name[len(os.path.basename(stem)):]
        if suffix == "_bold.nii.gz":
            image = nb.load(os.path.join(func, name))
            nb.save(image.slicer[..., :90], f"{stem}_run-2{suffix}")
        else:
            shutil.copy(os.path.join(func, name), f"{stem}_run-2{suffix}")
        os.rename(os.path.join(func, name), f"{stem}_run-1{suffix}")
    sixth = scratch.path("sixth")
    run(scratch.path("small"), sixth, "all", *QUIET, *SET, expect=code)
    names, data = circuits(sixth)
    complete(names, data)
    both = data["measures_se"][0][[names["measure"].index(m) for m in ("C1", "C3", "C1C2a")]]
    print(f"standard errors of one run {alone}, of two {both}")
    check((both < alone).all() and (both > 0.5 * alone).all(), "two runs know more than one")

    # Rest alone: all task-free measures and scores, everything else missing with its reason.
    run("simulate", scratch.path("resting"), "--participants", 5, "--size", "tiny", "--random-seed", 5, "--tasks", "rest",
        "--volumes", "120", "--sites", "1", "--prevalence", "0.4", expect=0)
    seventh = scratch.path("seventh")
    code, text = run(scratch.path("resting"), seventh, "all", *QUIET, *SET)
    check(code in (0, 1), text)
    names, data = circuits(seventh)
    complete(names, data)
    check(set(data["source"]) == {"rest"}, f"sources {data['source']}")
    free = np.array([task_of[m] == "rest" for m in names["measure"]])
    check(np.isfinite(data["measures"][:, free]).mean() > 0.8, "task-free measures of a resting cohort")
    check(np.isnan(data["measures"][:, ~free]).all(), "a measure of a task without the task")
    reasons = {data["reason"][p][m] for p in range(5) for m in np.flatnonzero(~free)}
    check(reasons == {f"task {key} absent: no run is labelled {labels}" for key, labels in
                      (("con", "con, conscious"), ("nco", "nco, nonconscious"), ("gng", "gng, gonogo, GoNoGo"))}, f"reasons {reasons}")
    there = np.isfinite(data["scores"]).any(axis=0)
    check(1 <= there.sum() < len(there), f"scores {[n for n, x in zip(names['score'], there) if x]}")
print("ok")
