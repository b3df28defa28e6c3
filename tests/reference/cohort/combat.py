"""Writes combat.tsv, the reference values of the ComBat tests:  python combat.py SOURCES.R > combat.tsv

neuroCombat 0.2.12 (Python 3.11); sva 3.46.0 (R 4.2.2), reference batch. SOURCES.R holds the functions of two packages
that are on no registry: ez(table, batch), ez.combat 1.0.0 with a batch alone, and nc(t(table), batch, model, parametric,
mean.only), neuroCombat for R (ComBatHarmonization, commit 0acd717) for missing values. (With missing values sva divides
the pooled variance by n - 1 and otherwise by n; neuroCombat by n always, and so do we.) Inputs by closed formulas that combat_test.cpp repeats: 27 people of three batches
(12, 9, 6) in mixed order, 10 columns, a continuous and a binary covariate.
Columns: tool and options, row, then the adjusted values of that row.
"""
import contextlib, io, os, subprocess, sys, tempfile
import numpy as np, pandas as pd
from neuroCombat import neuroCombat


def lcg(n, seed):
    x, v = seed, np.empty(n)
    for i in range(n):
        x = (x * 6364136223846793005 + 1442695040888963407) % 2**64
        v[i] = (x >> 40) / 2**24
    return v


n, p = 27, 10
batch = np.array([(i * 4) % 9 for i in range(n)])
batch = np.where(batch < 4, 0, np.where(batch < 7, 1, 2))
x = (lcg(n * p, 11).reshape(n, p) + lcg(n * p, 12).reshape(n, p) - 1) * 3
age, group = lcg(n, 13) * 40 + 20, (lcg(n, 14) > .5).astype(float)
shift, factor = lcg(3 * p, 15).reshape(3, p) * 4, .5 + lcg(3 * p, 16).reshape(3, p) * 1.5
x = x * factor[batch] + shift[batch] + age[:, None] * .05 * lcg(p, 17) + group[:, None] * lcg(p, 18) + 5
table = pd.DataFrame({"batch": batch, "age": age, "group": group})


def show(name, y):
    for i, row in enumerate(y):
        print("\t".join([name, str(i)] + ["%.15g" % v for v in row]))


def python(name, covariates=True, **options):
    names = dict(categorical_cols=["group"], continuous_cols=["age"]) if covariates else {}
    with contextlib.redirect_stdout(io.StringIO()):
        # float32 inside neuroCombat's design matrix would limit the agreement: age is handed over as such
        t = table.assign(age=table.age.astype(np.float32))
        show_later = neuroCombat(dat=x.T, covars=t, batch_col="batch", **names, **options)["data"].T
    show(name, show_later)


python("python:parametric")
python("python:parametric_plain", covariates=False)
python("python:non_parametric", parametric=False)
python("python:mean_only", mean_only=True)
python("python:none", eb=False)
with tempfile.TemporaryDirectory() as folder:
    missing = x.copy()
    missing[lcg(n * p, 19).reshape(n, p) < .12] = np.nan
    np.savetxt(f"{folder}/x.txt", x, "%.17g"), np.savetxt(f"{folder}/m.txt", missing, "%.17g")
    table.assign(age=table.age.astype(np.float32).astype(float)).to_csv(f"{folder}/t.csv", index=False, float_format="%.17g")
    script = f"""
suppressMessages(library(sva)); source("{os.path.abspath(sys.argv[1])}")
x <- as.matrix(read.table("{folder}/x.txt")); m <- as.matrix(read.table("{folder}/m.txt")); t <- read.csv("{folder}/t.csv")
mod <- model.matrix(~ age + group, t)
out <- function(name, y) write.table(format(y, digits=15), paste0("{folder}/", name), quote=FALSE, row.names=FALSE, col.names=FALSE)
quiet <- function(...) suppressMessages(ComBat(...))
out("sva:reference", t(quiet(t(x), t$batch, mod, ref.batch=1)))
out("r:missing", t(nc(t(m), t$batch, mod)))
out("r:missing_mean_only", t(nc(t(m), t$batch, mod, mean.only=TRUE)))
out("r:missing_non_parametric", t(nc(t(m), t$batch, NULL, parametric=FALSE)))
out("ez.combat", ez(as.data.frame(x), t$batch))
"""
    subprocess.run(["Rscript", "-e", script], check=True, stdout=sys.stderr, stderr=sys.stderr)
    for name in ["sva:reference", "r:missing", "r:missing_mean_only", "r:missing_non_parametric", "ez.combat"]:
        show(name, np.genfromtxt(f"{folder}/{name}", missing_values="NA", filling_values=np.nan))
