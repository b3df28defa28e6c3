"""`stage combat` beside the stored outputs of the reference implementations (200 columns, 10 people, two batches); a saved model
applied to new rows; harmonisation of four real sites; `stage biotypes` on a table with planted groups."""
import csv
import gzip
import os
import sys

import numpy as np
from support import SOURCE, Scratch, check, run

DATA = os.environ.get("BOLDMILL_TEST_DATA", os.path.join(SOURCE, "../shared/data"))
COMBAT, ABIDE = f"{DATA}/cohorts/combat-reference", f"{DATA}/cohorts/abide1-fc-schaefer200"


def write(path, header, rows):
    with open(path, "w", encoding="utf-8") as file:
        file.write("\t".join(header) + "\n")
        for row in rows:
            file.write("\t".join(repr(float(v)) if isinstance(v, float) else str(v) for v in row) + "\n")
    return path


def read(path):
    with open(path, encoding="utf-8") as file:
        header, *rows = [line.rstrip("\n").split("\t") for line in file]
    return header, rows


def numbers(path, first):
    header, rows = read(path)
    return np.array([[np.nan if c == "n/a" else float(c) for c in row[header.index(first):]] for row in rows])


def reference(scratch):
    with open(f"{COMBAT}/testdata.csv", encoding="utf-8") as file:
        x = np.array(list(csv.reader(file))[1:], float).T
    table = write(scratch.path("x.tsv"), ["participant_id", "scanner", "group"] + [f"c{i}" for i in range(x.shape[1])],
                  [[f"sub-{i}", "A" if i < 5 else "B", "patient" if i % 2 == 0 else "control", *map(float, row)]
                   for i, row in enumerate(x)])
    adjusted = ["--covariates", "group"]
    cases = {"parametric_adjusted": adjusted, "parametric_unadjusted": [], "nonparametric_adjusted": adjusted + ["--non-parametric"],
             "nonparametric_unadjusted": ["--non-parametric"], "parametric_adjusted_meanonly": adjusted + ["--mean-only", "true"],
             "parametric_adjusted_noeb": adjusted + ["--method", "none"],
             "parametric_adjusted_batchref": adjusted + ["--reference-batch", "A"]}
    largest = {}
    for case, options in cases.items():
        run("stage", "combat", table, "--batch", "scanner", *options, "--out", scratch.path("y.tsv"), expect=0)
        ours = numbers(scratch.path("y.tsv"), "c0")
        for language in ("r", "python"):
            with open(f"{COMBAT}/testdata_combat_{case}_{language}.csv", encoding="utf-8") as file:
                theirs = np.array(list(csv.reader(file))[1 if language == "r" else 0:], float).T
            largest[f"{case} {language}"] = np.abs(ours - theirs).max()
    print({k: f"{v:.1e}" for k, v in largest.items()})
    check(max(largest.values()) < 1e-4, f"{largest}, expected at most 1e-4")
    return table, x


def saved_model(scratch, table, x):
    run("stage", "combat", table, "--batch", "scanner", "--covariates", "group", "--save-model", scratch.path("m.h5"),
        "--out", scratch.path("y.tsv"), expect=0)
    fitted = numbers(scratch.path("y.tsv"), "c0")
    header, rows = read(table)
    # Columns in another order, one row, an unknown column: the model finds its own by name.
    order = [0, 1, 2] + list(range(len(header) - 1, 2, -1))
    one = write(scratch.path("one.tsv"), [header[i] for i in order] + ["later"], [[rows[7][i] for i in order] + ["1"]])
    run("stage", "combat", one, "--model", scratch.path("m.h5"), "--out", scratch.path("z.tsv"), expect=0)
    found, values = read(scratch.path("z.tsv"))
    check(found == [header[i] for i in order] + ["later"] and values[0][-1] == "1", "columns stay where they are")
    again = np.array([float(values[0][found.index(f"c{i}")]) for i in range(x.shape[1])])
    check(np.array_equal(again, fitted[7]), "a saved model adjusts a row as the fit did")
    for text, change, options in ((" C,", lambda r: [r[0], "C"] + r[2:], []), ("other", lambda r: r[:2] + ["other"] + r[3:], [])):
        bad = write(scratch.path("bad.tsv"), header, [change(rows[7])])
        code, message = run("stage", "combat", bad, "--model", scratch.path("m.h5"), "--out", scratch.path("no.tsv"), *options)
        check(code == 2 and text.strip(" ,") in message and not os.path.exists(scratch.path("no.tsv")), f"{code} {message}")
    unseen = write(scratch.path("unseen.tsv"), header, [[r[0], "C", *r[2:]] for r in rows[:1]])
    run("stage", "combat", unseen, "--model", scratch.path("m.h5"), "--unseen", "unchanged", "--out", scratch.path("z.tsv"), expect=0)
    check(np.array_equal(numbers(scratch.path("z.tsv"), "c0")[0], x[0]), "unseen batches pass unchanged when told")
    few = write(scratch.path("few.tsv"), header[:50], [r[:50] for r in rows])
    code, message = run("stage", "combat", few, "--model", scratch.path("m.h5"), "--out", scratch.path("no.tsv"))
    check(code == 2 and "few.tsv" in message, f"missing columns: {code} {message}")
    code, message = run("stage", "combat", scratch.path("y.tsv"), "--model", table, "--out", scratch.path("no.tsv"))
    check(code == 2, f"a table is not a model: {code} {message}")
    code, message = run("stage", "combat", table, "--batch", "scanner", "--covariates", "group", "--target", "group",
                        "--out", scratch.path("no.tsv"))
    check(code == 2 and "never a covariate" in message, f"{code} {message}")


def real_sites(scratch):
    """Fisher z of the first 2,000 edges of 265 people: site means agree afterwards, age effects stay."""
    with open(f"{ABIDE}/participants.tsv", encoding="utf-8") as file:
        header, *people = [line.rstrip("\n").split("\t") for line in file]
    about = {row[0]: dict(zip(header, row)) for row in people}
    ids, sites, values = [], [], []
    for site in ("PITT", "UM1", "USM", "YALE"):
        with gzip.open(f"{ABIDE}/site-{site}_fc.tsv.gz", "rt", encoding="utf-8") as file:
            next(file)
            for line in file:
                cells = line.rstrip("\n").split("\t")
                ids.append(cells[0]), sites.append(site), values.append(np.arctanh(np.clip(np.array(cells[1:2001], float), -.999, .999)))
    x, sites = np.array(values), np.array(sites)
    age = [about[i]["age"] for i in ids]
    table = write(scratch.path("abide.tsv"), ["participant_id", "site", "age", "group"] + [f"e{i}" for i in range(2000)],
                  [[i, s, a, about[i]["group"], *map(float, row)] for i, s, a, row in zip(ids, sites, age, x)])
    _, text = run("stage", "combat", table, "--batch", "site", "--covariates", "age", "--target", "group",
                  "--out", scratch.path("h.tsv"), expect=0)
    check("association of site with group: cramers_v" in text, text)
    y = numbers(scratch.path("h.tsv"), "e0")
    age = np.array(age, float)

    def between(v):  # share of variance between sites, age removed
        r = v - np.outer(age - age.mean(), np.polyfit(age, v, 1)[0])
        r = r - r.mean(0)
        return np.median(sum((sites == s).sum() * r[sites == s].mean(0)**2 for s in set(sites)) / (r**2).sum(0))

    slope = lambda v: np.array([np.polyfit(age, v[:, i], 1)[0] for i in range(0, 2000, 20)])
    print(f"265 people: share of variance between sites {between(x):.3f} before, {between(y):.4f} after")
    check(between(x) > .02 and between(y) < .005, f"{between(x)} {between(y)}")
    check(np.isfinite(slope(y)).all() and "265 rows in 4 batches" in text, text)


def biotypes(scratch):
    rng = np.random.default_rng(2)
    group = np.arange(160) % 4
    x = rng.standard_normal((160, 12)) + 3 * (np.arange(12)[None] // 3 == group[:, None])
    names = [f"m{i}" for i in range(12)]
    table = write(scratch.path("b.tsv"), ["participant_id", "site"] + names,
                  [[f"sub-{i}", "XY"[i % 8 // 4], *map(float, row)] for i, row in enumerate(x)])
    groups = write(scratch.path("groups.tsv"), ["feature", "group"], [[n, "DSAN"[i // 3]] for i, n in enumerate(names)])
    options = ["--k", "2:8", "--nulls", "normal,permutation", "--repetitions", 49, "--resamplings", 20, "--random-seed", 1,
               "--stability-nulls", 9, "--stability-people", 5, "--stability-resamplings", 5]
    for out in ("one", "two"):
        run("stage", "biotypes", table, *options, "--site", "site", "--groups", groups, "--out", scratch.path(out), expect=0)
    for name in sorted(os.listdir(scratch.path("one"))):
        with open(scratch.path("one", name), "rb") as a, open(scratch.path("two", name), "rb") as b:
            check(a.read() == b.read(), f"{name}: the same seed gives other bytes")
    header, rows = read(scratch.path("one", "statistics.tsv"))
    check(header[:6] == ["k", "silhouette", "within_sum", "ari_resampling", "p_normal", "p_permutation"] and len(rows) == 7, f"{header}")
    check(max(rows, key=lambda r: float(r[1]))[0] == "4" and rows[2][4] == "0.02", f"{rows}")
    header, rows = read(scratch.path("one", "centroids.tsv"))
    check([r[header.index("profile_name")] for r in rows] == ["D+", "S+", "A+", "N+"], f"{rows}")
    header, rows = read(scratch.path("one", "assignments.tsv"))
    label = np.array([int(r[header.index("cluster")]) for r in rows])
    check((label == group + 1).mean() > .95, "planted groups are found")
    check({"null_silhouette_normal.tsv", "null_silhouette_permutation.tsv", "null_split_ari.tsv", "splits.tsv"}
          <= set(os.listdir(scratch.path("one"))), "nulls are written")
    header, rows = read(scratch.path("one", "splits.tsv"))
    check({r[0] for r in rows} == {"half", "site X", "site Y"}, f"{rows}")
    for bad in (["--k", "9:3"], ["--k", "1:4"], ["--nulls", "uniform"], ["--features", "m0,nothing"]):
        code, message = run("stage", "biotypes", table, *bad, "--out", scratch.path("no"))
        check(code == 2 and not os.path.exists(scratch.path("no")), f"{bad}: {code} {message}")
    code, message = run("stage", "biotypes", table, "--k", "2:100", "--out", scratch.path("no"))
    check(code == 1 and "found 160 people" in message, f"{code} {message}")


def main():
    with Scratch() as scratch:
        biotypes(scratch)
        if not os.path.isdir(COMBAT):
            print("skipped: reference tables are not there")
            sys.exit(77)
        saved_model(scratch, *reference(scratch))
        real_sites(scratch)


main()
