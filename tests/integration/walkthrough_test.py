"""The guide's page on tasks: the configuration as printed there takes a lab's own task names to scores."""
import csv
import json
import os
import re

import h5py
import numpy as np
from guide import marked
from support import FAST, Scratch, check, run

LABELS = {"rest": "restEyesOpen", "conscious": "emo", "gonogo": "stroop"}
TYPES = {"conscious": {"sad": "sad_01", "happy": "happy_01", "fear": "fear_02", "anger": "angry_01", "neutral": "calm_03"},
         "gonogo": {"go": "congruent", "nogo": "incongruent"}}

(_, printed), (_, commands) = marked("tasks.md", "walkthrough_test.py")

with Scratch() as scratch:
    bids, lab, out = scratch.path("bids"), scratch.path("lab.json"), scratch.path("out")
    with open(lab, "w") as f:
        f.write(printed)
    json.loads(printed)
    run("simulate", bids, "--participants", 4, "--size", "tiny", "--random-seed", 3, "--tasks", "rest,conscious,gonogo", "--volumes", "110",
        "--sites", "1", "--prevalence", "0", expect=0)
    for folder, _, files in os.walk(os.path.join(bids)):
        for name in files:
            found = re.search(r"_task-([a-z]+)_", name)
            if not found or "sourcedata" in folder:
                continue
            task, path = found.group(1), os.path.join(folder, name)
            if name.endswith("_events.tsv"):
                with open(path) as f:
                    rows = list(csv.reader(f, delimiter="\t"))
                column = rows[0].index("trial_type")
                if task == "gonogo":
                    rows[0][column] = "congruency"
                for row in rows[1:]:
                    row[column] = TYPES[task].get(row[column], row[column])
                with open(path, "w") as f:
                    f.writelines("\t".join(r) + "\n" for r in rows)
            os.rename(path, os.path.join(folder, name.replace(f"_task-{task}_", f"_task-{LABELS[task]}_")))
    words = {"BIDS_DIR": bids, "OUT": out, "lab.json": lab}
    look, work = [[words.get(word, word) for word in line.split()[1:]] for line in commands.splitlines()]
    _, text = run(*look, expect=0)
    check("emo" in text and "stroop" in text, text)
    code, text = run(*work, "--progress", "none", *FAST, "scores.min_reference=3")
    check(code in (0, 1), text)
    with h5py.File(os.path.join(out, "cohort.h5")) as f:
        names = [x.decode() for x in f["circuits/measures"].dims[1][0][:]]
        measures, source = f["circuits/measures"][:], {x.decode() for x in f["circuits/source"][:]}
    share = {kind: np.isfinite(measures[:, [i for i, n in enumerate(names) if pick(n)]]).mean() for kind, pick in
             {"faces": lambda n: n in ("NS2", "NT2", "P1", "NS1NS2a"), "stroop": lambda n: n in ("C1", "C2", "C1C2a"),
              "rest": lambda n: n in ("D2D1", "A2A1")}.items()}
    print(share, source)
    check(source <= {"rest", ""}, f"source {source}")
    check(min(share.values()) > 0.5, f"measures are missing: {share}")
    with open(os.path.join(out, "tables", "circuit_scores.tsv")) as f:
        table = list(csv.DictReader(f, delimiter="\t"))
    check(any(row["COG-A"] != "n/a" for row in table), "no score of cognitive control")
    for row in table:
        check(row["NAnt-A"] == "n/a" and "task nco absent" in row["NAnt-A_reason"], f"reason '{row['NAnt-A_reason']}'")
        check((row["COG-A"] == "n/a") != (row["COG-A_reason"] == "n/a"), f"score and reason: {row['COG-A']}, {row['COG-A_reason']}")
print("ok")
