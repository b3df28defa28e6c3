"""A cohort learns, and new people are scored by its model.h5 from raw images and from a cohort file; a review file is honoured."""
import json
import os
import shutil

import h5py
import numpy as np
from support import FAST, Scratch, check, run


def read(path):
    with open(path, encoding="utf-8") as file:
        header, *rows = [line.rstrip("\n").split("\t") for line in file]
    return {name: [row[c] for row in rows] for c, name in enumerate(header)}


def same_tables(a, b):
    x, y = read(a), read(b)
    check(list(x) == list(y), f"{a} and {b}: other columns")
    for name in x:
        check(x[name] == y[name], f"{name} of {a} and {b} differ")


def learn(scratch):
    bids, out = scratch.simulate("bids", 12, "--sites", "2"), scratch.path("out")
    people = sorted(f for f in os.listdir(bids) if f.startswith("sub-"))
    settings = [*FAST, "scores.min_reference=2", "prediction.min_people=6", "prediction.n_folds=3", "cohort.targets=rumination",
                "group_statistics.min_people=6", "group_statistics.min_per_group=2", "group_statistics.n_permutations=99",
                "associations.symptoms=rumination", "associations.covariates=age"]
    code, text = run(bids, out, "all", "--progress", "none", "--participant-label", *people[:10], *settings)
    check(code in (0, 1) and os.path.exists(f"{out}/model.h5"), text)
    with h5py.File(f"{out}/cohort.h5") as file:
        check(file["cohort/group_statistics"].attrs["fitted_on"] == "whole_cohort", "tests are of the whole cohort")
        n = file["cohort/group_statistics/p_permutation"].shape[0]
        card = json.loads(next(iter(file["cohort/predictions/rumination/elastic_net"].values()))["model_card"][()])
    check(n % 12 == 0 and n >= 12, f"{n} tests of 12 scores")
    for item in ("data", "exclusions", "missingness", "performance", "calibration", "subgroups", "limits", "a_human_must_check"):
        check(item in card, f"the card lacks {item}")
    check("TRIPOD" in open(f"{out}/index.html", encoding="utf-8").read(), "the report shows the card")
    return bids, out, people, settings


def score(scratch, bids, out, people):
    model = f"{out}/model.h5"
    again = scratch.path("again")
    run("score", "--model", model, f"{out}/cohort.h5", again, expect=0)
    same_tables(f"{out}/tables/circuit_scores.tsv", f"{again}/tables/circuit_scores.tsv")
    new = scratch.path("new")
    code, text = run("score", "--model", model, bids, new, "--participant-label", people[10], "--progress", "none")
    check(code in (0, 1) and "not a medical device" in text, text)
    table = read(f"{new}/tables/scored_rumination.tsv")
    check(table["participant_id"] == [people[10]], f"{table}")
    check(float(table["lower"][0]) <= float(table["prediction"][0]) <= float(table["upper"][0]), f"{table}")
    check(table["abstain"][0] in "01" and os.path.exists(f"{new}/model_card_rumination.json"), f"{table}")
    check(not os.path.exists(f"{new}/model.h5"), "nothing is learned from people who are scored")
    with h5py.File(f"{out}/cohort.h5") as a, h5py.File(f"{new}/cohort.h5") as b:
        check(b["circuits/scores"].attrs["fitted_on"] == "frozen_model", "whose scores these are")
        check(np.array_equal(a["circuits/reference/mean"][()], b["circuits/reference/mean"][()], equal_nan=True), "reference")
    # The same person within the cohort's own folder gives the same raw measures, so the same scores: both by the model.
    both = scratch.path("both")
    code, text = run("score", "--model", model, f"{new}/cohort.h5", both)
    check(code == 0, text)
    same_tables(f"{new}/tables/scored_rumination.tsv", f"{both}/tables/scored_rumination.tsv")


def refusals(scratch, out):
    changed = scratch.path("changed.h5")
    for name, value, words in (("taxonomy_sha256", "f" * 64, "circuit definition"), ("format_version", np.int32(99), "expected 1")):
        with h5py.File(f"{out}/model.h5") as old, h5py.File(changed, "w") as file:
            for key in old:
                if key not in ("measure", "feature", "score"):
                    old.copy(key, file)
            for key in ("measure", "feature", "score"):
                file.create_dataset(key, data=old[key][()], dtype=h5py.string_dtype())
            for key, one in old.attrs.items():
                file.attrs[key] = one
            file.attrs[name] = value
        code, text = run("score", "--model", changed, f"{out}/cohort.h5", scratch.path("refused"))
        check(code != 0 and words in text, f"{name}: {code} {text}")
    code, text = run("score", "--model", f"{out}/cohort.h5", f"{out}/cohort.h5", scratch.path("refused"))
    check(code != 0 and "boldmill_model" in text, f"{code} {text}")
    check(not os.path.exists(scratch.path("refused", "tables")), "nothing is written")


def review(scratch, bids, people, settings):
    table = scratch.path("review.tsv")
    runs = read(scratch.path("out", "tables", "runs.tsv"))["run_id"]
    own = [r for r in runs if r.startswith(people[0] + "_")]
    with open(table, "w", encoding="utf-8") as file:
        file.write("run_id\tdecision\trater\tdate\treason\n")
        file.write(f"{own[0]}\texclude\tana\t2024-01-02\tghosting\n{own[0]}\tinclude\tben\t2024-01-03\tn/a\n")
    out = scratch.path("reviewed")
    code, text = run(bids, out, "all", "--progress", "none", "--participant-label", *people[:2], "--path", f"review={table}", *settings)
    check(code == 1, f"an excluded run is said by the exit code: {code} {text}")
    found = read(f"{out}/tables/runs.tsv")
    at = found["run_id"].index(own[0])
    check(found["status"][at] == "excluded" and "review: ghosting" in found["reason"][at], f"{found}")
    check(found["qc_decision"][at] == "exclude" and found["qc_rater"][at] == "ana, ben (include)", f"{found}")
    agreement = read(f"{out}/tables/review.tsv")
    check(agreement["rater_a"] == ["ana"] and agreement["n_runs"] == ["1"] and agreement["agreement"] == ["0"], f"{agreement}")
    with open(table, "a", encoding="utf-8") as file:
        file.write(f"{own[0]}\tmaybe\tana\t2024-01-02\tx\n")
    code, text = run(bids, scratch.path("bad"), "participant", "--participant-label", people[0], "--path", f"review={table}", *settings)
    check(code == 2 and "line 4" in text and "maybe" in text, f"{code} {text}")


def stages(scratch):
    rng = np.random.default_rng(1)
    n = 80
    table = scratch.path("people.tsv")
    group, arm = rng.integers(0, 2, n), rng.integers(0, 2, n)
    x, before = rng.normal(size=(n, 2)) + group[:, None], rng.normal(20, 4, n)
    after = before * .6 + 3 * x[:, 0] * arm + rng.normal(0, 2, n)
    with open(table, "w", encoding="utf-8") as file:
        file.write("participant_id\tgroup\tsite\tage\tx0\tx1\tarm\tstudy\tbefore\tafter\tscan\tstart\n")
        for i in range(n):
            file.write(f"sub-{i:03d}\t{'case' if group[i] else 'healthy'}\t{'AB'[i % 2]}\t{20 + i % 30}\t{x[i, 0]}\t{x[i, 1]}\t"
                       f"{'drug' if arm[i] else 'talk'}\tS{i % 2}\t{before[i]}\t{'n/a' if i % 9 == 0 else after[i]}\t2024-01-0{1 + (i < 2)}\t2024-01-01\n")
    run("stage", "group_statistics", table, "--group", "group", "--reference", "healthy", "--measures", "x0,x1", "--covariates", "age",
        "--site", "site", "--n-permutations", "199", "--out", scratch.path("g.tsv"), expect=0)
    found = read(scratch.path("g.tsv"))
    check(found["term"] == ["group: case - healthy"] * 2 and float(found["p_permutation"][0]) <= .05, f"{found}")
    check(float(found["hedges_g_lower"][0]) < float(found["hedges_g"][0]) < float(found["hedges_g_upper"][0]), f"{found}")
    code, text = run("stage", "group_statistics", table, "--out", scratch.path("no.tsv"))
    check(code == 2 and "--group or --symptoms" in text, text)
    base = ["stage", "treatment", table, "--outcome", "after", "--baseline", "before", "--arm", "arm", "--predictors", "x0,x1",
            "--out", scratch.path("t"), "--min-per-arm", "10"]
    code, text = run(*base)
    check(code == 2 and "precede treatment" in text, text)
    run(*base, "--scan-date", "scan", "--start-date", "start", "--randomised", "all", expect=0)
    left = read(scratch.path("t", "people.tsv"))["left_out"]
    check([i for i, why in enumerate(left) if "day 1" in why] == [0, 1], f"{left}")
    policy = read(scratch.path("t", "policies.tsv"))
    check(policy["reason"] == ["n/a"] and float(policy["rule_lower"][0]) < float(policy["rule"][0]), f"{policy}")
    code, text = run(*base, "--scan-date", "scan", "--start-date", "start", "--study", "study", "--contrast", "drug:nothing")
    check(code == 2 and "nothing" in text, text)


with Scratch() as scratch:
    stages(scratch)
    bids, out, people, settings = learn(scratch)
    score(scratch, bids, out, people)
    refusals(scratch, out)
    review(scratch, bids, people, settings)
    shutil.rmtree(scratch.path("out"))
print("ok")
