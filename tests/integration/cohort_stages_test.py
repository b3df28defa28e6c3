"""`stage norms` on real cortical thickness with its published split; `stage impute` on the questionnaires of two centres;
`stage combat --longitudinal`; `stage biotype_test` on planted groups and on one cloud."""
import csv
import gzip
import json
import os
import sys

import numpy as np
from support import SOURCE, Scratch, check, run

DATA = os.environ.get("BOLDMILL_TEST_DATA", os.path.join(SOURCE, "../shared/data"))
THICKNESS, RPN = f"{DATA}/cohorts/fcon1000-thickness", f"{DATA}/cohorts/rpn-signature"
MEASURES = ["lh_MeanThickness_thickness", "rh_MeanThickness_thickness", "lh_S_calcarine_thickness", "lh_G_front_sup_thickness",
            "Left-Hippocampus", "Left-Thalamus-Proper", "Left-Lateral-Ventricle", "CerebralWhiteMatterVol"]


def write(path, header, rows):
    with open(path, "w", encoding="utf-8") as file:
        file.write("\t".join(header) + "\n")
        for row in rows:
            file.write("\t".join("n/a" if isinstance(v, float) and np.isnan(v) else str(v) for v in row) + "\n")
    return path


def read(path):
    with open(path, encoding="utf-8") as file:
        header, *rows = [line.rstrip("\n").split("\t") for line in file]
    return header, rows


def columns(path, names):
    header, rows = read(path)
    at = [header.index(n) for n in names]
    return np.array([[np.nan if row[i] in ("n/a", "") else float(row[i]) for i in at] for row in rows])


def thickness(scratch, half):
    with gzip.open(f"{THICKNESS}/fcon1000_{half}.csv.gz", "rt", encoding="utf-8") as file:
        header, *rows = list(csv.reader(file))
    wanted = [header.index(n) for n in ["sub_id", "site", "age", "sex"] + [m for m in MEASURES if m in header]]
    names = ["participant_id", "site", "age", "sex"] + [m for m in MEASURES if m in header]
    return write(scratch.path(f"{half}.tsv"), names, [[row[i] or "n/a" for i in wanted] for row in rows]), names[4:]


def norms(scratch):
    train, measures = thickness(scratch, "tr")
    test, _ = thickness(scratch, "te")
    out = scratch.path("norms")
    _, text = run("stage", "norms", train, "--covariates", "sex", "--site", "site", "--test", test, "--save-model",
                  scratch.path("norms.json"), "--out", out, expect=0)
    twice = columns(f"{out}/people.tsv", ["in_reference"])[:, 0].sum()
    check(twice == 1 and "1 of them with the measures of a reference row" in text,
          f"found {twice} test rows of the reference, expected the 1 that stands in both halves\n{text}")
    # Out of sample at 520 people: share under a centile has SE 0.01 at 0.05; the model's own error and sites that the training
    # half has few people of are allowed twice that.
    header, rows = read(f"{out}/calibration.tsv")
    for row in rows:
        found = dict(zip(header, row))
        print({k: v if k == "measure" else round(float(v), 3) for k, v in found.items()})
        check(abs(float(found["under_0.05"]) - 0.05) < 0.04 and abs(float(found["under_0.95"]) - 0.95) < 0.04
              and abs(float(found["mean"])) < 0.2 and 0.85 < float(found["sd"]) < 1.2, f"{found}: not calibrated")
    z = columns(f"{out}/z.tsv", measures)
    again = scratch.path("again")
    run("stage", "norms", test, "--model", scratch.path("norms.json"), "--out", again, expect=0)
    check(np.array_equal(z, columns(f"{again}/z.tsv", measures), equal_nan=True), "a saved model gives the same z")
    with open(scratch.path("norms.json"), encoding="utf-8") as file:
        model = json.load(file)
    check("sub" not in json.dumps(model["row_digest"]) and model["intended_use"] == "research use only", "the model file")
    model["version"] = 99
    with open(scratch.path("other.json"), "w", encoding="utf-8") as file:
        json.dump(model, file)
    code, text = run("stage", "norms", test, "--model", scratch.path("other.json"), "--out", again)
    check(code != 0 and "expected normative_model 1" in text, f"a model of another version: {text}")


def impute(scratch):
    names = ["age", "bmi", "anxiety_state", "anxiety_trait", "depression_ads_k", "stress_psq", "pain_catastrophizing"]
    table = f"{RPN}/participants.tsv"
    before = columns(table, names)
    for m in (1, 3):
        run("stage", "impute", table, "--batch", "site", "--columns", ",".join(names), "--imputations", m, "--min-batch", 10,
            "--mask", scratch.path("mask.tsv"), "--out", scratch.path("filled.tsv"), expect=0)
        after = columns(scratch.path("filled.tsv"), names).reshape(m, *before.shape)
        mask = columns(scratch.path("mask.tsv"), names) == 1
        check(not np.isnan(after).any() and np.array_equal(mask, np.isnan(before)), "every hole is filled and marked")
        check(all(np.array_equal(x[~mask], before[~mask]) for x in after), "what was known stays")
        check(m == 1 or (after[0][mask] != after[1][mask]).any(), "imputations differ")
    run("stage", "impute", table, "--columns", ",".join(names), "--complete-case", "--out", scratch.path("complete.tsv"), expect=0)
    check(len(columns(scratch.path("complete.tsv"), names)) == (~np.isnan(before).any(1)).sum(), "complete cases")
    code, text = run("stage", "impute", table, "--columns", "bmi", "--target", "bmi", "--out", scratch.path("no.tsv"))
    check(code == 2 and "never part of imputation" in text, text)


def longitudinal(scratch):
    rng = np.random.default_rng(3)
    person = np.repeat(np.arange(60), 3)
    site = np.array(["A", "B", "C"])[rng.integers(0, 3, 180)]
    stable, time = rng.standard_normal((60, 8)), rng.uniform(0, 2, 180)
    shift = {s: rng.standard_normal(8) * 2 for s in "ABC"}
    y = stable[person] * 2 + 0.5 * rng.standard_normal((180, 8)) + 0.3 * time[:, None] + np.array([shift[s] for s in site])
    names = [f"c{i}" for i in range(8)]
    table = write(scratch.path("long.tsv"), ["participant_id", "site", "time"] + names,
                  [[f"sub-{p:02d}", s, t, *row] for p, s, t, row in zip(person, site, time, y)])
    run("stage", "combat", table, "--batch", "site", "--covariates", "time", "--longitudinal", "--out", scratch.path("even.tsv"),
        expect=0)
    even = columns(scratch.path("even.tsv"), names)
    inside = lambda x: np.mean([x[person == p].std(0, ddof=1) for p in range(60)])
    check(inside(even) < 0.75 and inside(y) > 1.5, f"sessions of a person: SD {inside(y):.2f} to {inside(even):.2f}, truth 0.53")
    means = np.array([even[person == p].mean(0) for p in range(60)])
    check(min(np.corrcoef(means[:, c], stable[:, c])[0, 1] for c in range(8)) > 0.97, "people stay who they are")
    code, text = run("stage", "combat", table, "--batch", "site", "--longitudinal", "--person", "nobody", "--out", scratch.path("no.tsv"))
    check(code != 0 and "nobody" in text, text)


def biotypes(scratch):
    rng = np.random.default_rng(5)
    group, site = rng.integers(0, 4, 240), np.array(["A", "B"])[rng.integers(0, 2, 240)]
    names = [f"f{i}" for i in range(16)]
    for name, separation, verdict in (("groups", 2.5, "biotypes"), ("cloud", 0.0, "continuum")):
        x = rng.standard_normal((240, 16)) + (site == "B")[:, None]
        x += separation * (np.arange(16)[None] // 4 == group[:, None])
        x[rng.uniform(size=x.shape) < 0.03] = np.nan
        table = write(scratch.path(f"{name}.tsv"), ["participant_id", "site"] + names,
                      [[f"sub-{i:03d}", s, *row] for i, (s, row) in enumerate(zip(site, x))])
        options = ["--site", "site", "--harmonise", "combat", "--imputations", 2, "--k-max", 6, "--repetitions", 39,
                   "--stability-nulls", 9, "--bootstraps", 20, "--max-factors", 4]
        run("stage", "biotype_test", table, *options, "--out", scratch.path(name), expect=0)
        with open(scratch.path(name, "verdict.json"), encoding="utf-8") as file:
            found = json.load(file)
        print(name, found["verdict"], found["p_value"], found["p_value_within_sites"], found["clusters"], found["profiles"])
        check(found["verdict"] == verdict, f"{name}: {found}")
        if verdict == "biotypes":
            check(found["clusters"] == 4 and sum(p.count("+") >= 3 for p in found["profiles"]) == 4, f"{found}")
            labels = [row[1] for row in read(scratch.path(name, "people.tsv"))[1]]
            pure = sum(np.bincount(group[[i for i, l in enumerate(labels) if l == str(c)]]).max() for c in range(1, 5))
            check(pure / 240 > 0.9, f"{pure} of 240 people with their own")
        run("stage", "biotype_test", table, *options, "--out", scratch.path("twice"), expect=0)
        for file in ("verdict.json", "people.tsv", "statistics.tsv", "null.tsv", "features.tsv", "factors.tsv"):
            with open(scratch.path(name, file), "rb") as a, open(scratch.path("twice", file), "rb") as b:
                check(a.read() == b.read(), f"{file} differs when repeated")


def main():
    with Scratch() as scratch:
        biotypes(scratch)
        longitudinal(scratch)
        if not os.path.isdir(THICKNESS) or not os.path.isdir(RPN):
            print("no real cohorts here")
            sys.exit(77)
        impute(scratch)
        norms(scratch)


if __name__ == "__main__":
    main()
