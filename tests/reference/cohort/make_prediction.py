"""Reference values of the prediction kernels: python make_prediction.py OUT.tsv (lines: name, numbers).

Inputs are those of make.py (problem(60, 10, 5), labelled p60). Made with scikit-learn {sklearn}, scipy {scipy},
statsmodels {statsmodels}, numpy {numpy}.
 svm       lambda, objective, intercept, coefficients: scipy.optimize.minimize (BFGS, gradient 1e-10) of the squared hinge
 ridge     lambda, objective of logistic ridge, n = 30, p = 60: scikit-learn LogisticRegression newton-cholesky
 wide      alpha, lambda, objective, gaussian then binomial, n = 40, p = 400: scikit-learn ElasticNet, saga
 cpm       p threshold, number positive, number negative, fitted values of the first 5 rows: scipy.stats.pearsonr, numpy lstsq
 pool      fixed: value, then random effects: value, lower, upper, tau2, q, i2: statsmodels combine_effects, method dl
 slope     intercept and slope of logit(y) on logit(p): statsmodels Logit
"""
import sys
import numpy as np
import scipy
import sklearn
import statsmodels
import statsmodels.api as sm
from scipy.optimize import minimize
from scipy.stats import pearsonr
from sklearn.linear_model import ElasticNet, LogisticRegression
from statsmodels.stats.meta_analysis import combine_effects


def lcg(n, x):
    v = np.empty(n)
    for i in range(n):
        x = (x * 6364136223846793005 + 1442695040888963407) % 2**64
        v[i] = (x >> 40) / 2**24
    return v


def problem(n, p, seed):
    x = (lcg(n * p, seed).reshape(n, p) - .5) * 4
    x[:, 1] = .8 * x[:, 0] + .6 * x[:, 1]
    eta = 1.5 * x[:, 0] - x[:, 2] + .5 * x[:, 3]
    return x, 3 + eta + 2 * (lcg(n, seed + 1) - .5), (eta + 3 * (lcg(n, seed + 2) - .5) > 0).astype(float)


def penalty(b, lam, a):
    return lam * ((1 - a) / 2 * b @ b + a * np.abs(b).sum())


def logistic_objective(x, y, b, b0, lam, a):
    eta = x @ b + b0
    return np.mean(np.logaddexp(0, eta) - y * eta) + penalty(b, lam, a)


def main():
    lines = []
    x, y, yb = problem(60, 10, 5)
    s = 2 * yb - 1
    for lam in (.01, .3):
        def f(t):
            m = np.maximum(0, 1 - s * (x @ t[1:] + t[0]))
            return m @ m / 120 + lam / 2 * t[1:] @ t[1:], np.r_[-(s * m).sum(), -x.T @ (s * m)] / 60 + lam * np.r_[0, t[1:]]
        r = minimize(f, np.zeros(11), jac=True, method="BFGS", options=dict(gtol=1e-10, maxiter=100000))
        lines.append(["svm", lam, r.fun, *r.x])
    xw, yw, bw = problem(30, 60, 200)
    for lam in (.02, .3):
        m = LogisticRegression(C=1 / (30 * lam), solver="newton-cholesky", tol=1e-13, max_iter=100000).fit(xw, bw)
        lines.append(["ridge", lam, logistic_objective(xw, bw, m.coef_[0], m.intercept_[0], lam, 0)])
    xw, yw, bw = problem(40, 400, 11)
    for a, lam in ((.5, .2), (1, .1)):
        m = ElasticNet(alpha=lam, l1_ratio=a, tol=1e-14, max_iter=1000000).fit(xw, yw)
        gaussian = ((yw - m.predict(xw))**2).sum() / 80 + penalty(m.coef_, lam, a)
        m = LogisticRegression(penalty="elasticnet", l1_ratio=a, C=1 / (40 * lam), solver="saga", tol=1e-12, max_iter=1000000).fit(xw, bw)
        lines.append(["wide", a, lam, gaussian, logistic_objective(xw, bw, m.coef_[0], m.intercept_[0], lam, a)])
    r = [pearsonr(x[:, j], y) for j in range(10)]
    for t in (.2, .001):
        pos = [j for j in range(10) if r[j].pvalue < t and r[j].statistic > 0]
        neg = [j for j in range(10) if r[j].pvalue < t and r[j].statistic < 0]
        z = np.c_[np.ones(60), x[:, pos].sum(1), x[:, neg].sum(1)]
        fitted = z @ np.linalg.lstsq(z, y, rcond=None)[0]
        lines.append(["cpm", t, len(pos), len(neg), *fitted[:5]])
    effect, variance = np.array([.2, .5, -.1, .45]), np.array([.01, .02, .03, .015])
    c = combine_effects(effect, variance, method_re="dl")
    low, high = c.conf_int(use_t=False)[1]
    lines.append(["pool", c.mean_effect_re, low, high, c.tau2, c.q, max(0, (c.q - 3) / c.q)])
    p = np.clip(lcg(60, 77), .02, .98)
    m = sm.Logit(yb, sm.add_constant(np.log(p / (1 - p)))).fit(disp=0, tol=1e-14)
    lines.append(["slope", *m.params])
    with open(sys.argv[1], "w") as out:
        for line in lines:
            out.write("\t".join([line[0]] + ["%.12g" % v for v in line[1:]]) + "\n")
    print(sklearn.__version__, scipy.__version__, statsmodels.__version__, np.__version__)


main()
