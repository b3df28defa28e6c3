"""Writes models.tsv, the reference values of norms, factors, longitudinal ComBat and imputation:  python models.py > models.tsv

Python 3.11, numpy, scipy and scikit-learn (versions in the last line), R 4.2.2 with lme4 and mice (models.R). Inputs by closed
formulas that model_references_test.cpp repeats. Lines: name, then values, tab-separated.
"""
import os, subprocess, sys, tempfile
import numpy as np, scipy, sklearn
from scipy import stats
from scipy.interpolate import BSpline
from sklearn.decomposition import FactorAnalysis


def lcg(n, seed):
    x, v = seed, np.empty(n)
    for i in range(n):
        x = (x * 6364136223846793005 + 1442695040888963407) % 2**64
        v[i] = (x >> 40) / 2**24
    return v


def show(name, values):
    print("\t".join([name] + ["%.15g" % v for v in np.ravel(values)]))


def normal(n, seed):  # sum of 12 uniforms: near enough
    return lcg(12 * n, seed).reshape(n, 12).sum(1) - 6


p = np.array([1e-300, 1e-12, 1e-4, .02, .0243, .1, .3, .5, .7, .975, 1 - 1e-9])
show("quantile", stats.norm.ppf(p))

# Factor analysis: 120 x 8, two factors.
f = normal(240, 61).reshape(120, 2)
x = f @ np.array([[1, .8, .7, .2, 0, 0, .3, .5], [0, .1, .4, .9, 1.1, .8, -.4, .2]]) + .7 * normal(960, 62).reshape(120, 8)
fa = FactorAnalysis(2, tol=1e-12, max_iter=20000, svd_method="lapack").fit(x)
show("factors density", fa.score_samples(x)[:10])
show("factors covariance", fa.get_covariance()[0])
show("factors projector", (fa.components_.T @ fa.components_)[0])
scores = fa.transform(x)
show("factors score_norm", np.linalg.norm(scores[:10], axis=1))

# B-spline with knots at 0, 1/3, 2/3, 1 of 10..70.
age = 10 + 60 * lcg(50, 63)
knots = np.array([10, 30, 50, 70.])
full = np.concatenate([[10.] * 3, knots, [70.] * 3])
basis = BSpline.design_matrix(np.append(age, [10, 30, 70]), full, 3).toarray()
show("spline", basis[[0, 7, 20, 50, 51, 52], 1:])

# Regression with given hyperparameters: closed form of the marginal distribution.
n = 50
u = normal(n, 64) * 1.1 + .3
design = np.column_stack([np.ones(n), basis[:50, 1:], lcg(n, 65) > .5, (np.arange(n) % 3)[:, None] == np.arange(3)])
v = np.column_stack([np.ones(n), (age - 40) / 30])
block = np.array([-1] + [0] * 5 + [0] + [1] * 3)
precision = np.where(block == -1, 1e-4, np.where(block == 0, np.exp(.4), np.exp(1.3)))
a, log_b = .35, -.2
t = np.exp(log_b) * np.arcsinh(u) - a
g = np.sinh(t)
d = np.exp(v @ [-.3, .5])
evidence = stats.multivariate_normal(np.zeros(n), np.diag(d) + design / precision @ design.T).logpdf(g)
evidence += np.log(np.cosh(t) * np.exp(log_b) / np.sqrt(1 + u**2)).sum()
covariance = np.linalg.inv(np.diag(precision) + design.T @ (design / d[:, None]))
weights = covariance @ design.T @ (g / d)
show("regression evidence", evidence)
show("regression weights", weights)
show("regression variance", np.diag(covariance))

z = normal(80, 66) * 1.2 + .1
show("calibration", [z.mean(), z.std(ddof=1), stats.skew(z), stats.kurtosis(z), stats.kstest(z, "norm").statistic,
                     (z <= stats.norm.ppf(.25)).mean(), (z <= stats.norm.ppf(.975)).mean()])
show("calibration p", stats.kstest(z, "norm", method="exact").pvalue)

# 24 people with 1 to 4 sessions in 3 batches, 6 columns; 150 people x 3 columns with holes at random given x1.
person = np.concatenate([[i] * (1 + i % 4) for i in range(24)])
rows = len(person)
batch = np.array([(k * 5) % 7 for k in range(rows)])
batch = np.where(batch < 3, 0, np.where(batch < 5, 1, 2))
time = lcg(rows, 67)
y = normal(rows * 6, 68).reshape(rows, 6) * (.5 + .25 * batch)[:, None] + normal(24 * 6, 69).reshape(24, 6)[person]
y = y + lcg(18, 70).reshape(3, 6)[batch] * 2 + time[:, None] * lcg(6, 71) + 10
h = normal(450, 72).reshape(150, 3)
h[:, 0] = .7 * h[:, 1] + .4 * h[:, 2] + .6 * h[:, 0]
hole = lcg(150, 73) < 1 / (1 + np.exp(-1.5 * h[:, 1] + .5))
with tempfile.TemporaryDirectory() as folder:
    np.savetxt(f"{folder}/sessions.csv", np.column_stack([person, batch, time, y]), "%.17g", ",", comments="",
               header="person,batch,time," + ",".join(f"y{i}" for i in range(6)))
    with open(f"{folder}/holes.csv", "w", encoding="utf-8") as file:
        file.write("x0,x1,x2\n")
        for row, missing in zip(h, hole):
            file.write(",".join(["NA" if missing else "%.17g" % row[0]] + ["%.17g" % c for c in row[1:]]) + "\n")
    here = os.path.dirname(os.path.abspath(__file__))
    print(subprocess.run(["Rscript", f"{here}/models.R", folder], check=True, capture_output=True, text=True).stdout, end="")
show("holes", [hole.sum(), h[:, 0].mean(), h[:, 0].std(ddof=1), np.corrcoef(h[:, 0], h[:, 1])[0, 1], h[~hole, 0].mean()])
print("# numpy", np.__version__, "scipy", scipy.__version__, "scikit-learn", sklearn.__version__, file=sys.stdout)
