"""Writes statistics.tsv, the reference values of regressions, effect sizes and group statistics:  python statistics.py > statistics.tsv

statsmodels 0.14 (OLS, WLS with HC3, Logit, multipletests), scipy (nct, norm), scikit-learn (ridge, brute-force leave-one-out),
R 4.2.2 (glm, lm, t.test, p.adjust, chisq.test); versions are printed in the first row. Inputs by closed formulas that
statistics_test.cpp repeats: 60 people of three sites, age, a group of two, three measures with values missing.
Columns: quantity, values.
"""
import io, subprocess, sys, tempfile
import numpy as np, pandas as pd, scipy, scipy.stats as st, sklearn, statsmodels, statsmodels.api as sm
from scipy.optimize import brentq
from sklearn.linear_model import Ridge
from statsmodels.stats.multitest import multipletests


def lcg(n, seed):
    x, v = seed, np.empty(n)
    for i in range(n):
        x = (x * 6364136223846793005 + 1442695040888963407) % 2**64
        v[i] = (x >> 40) / 2**24
    return v


def show(name, values):
    print("\t".join([name] + ["%.15g" % v for v in np.atleast_1d(values)]))


n = 60
site = np.arange(n) % 3
age = lcg(n, 31) * 40 + 20
group = (lcg(n, 32) + .1 * (site == 1) > .5).astype(float)
symptom = lcg(n, 33) * 30 + .1 * age
y = (lcg(3 * n, 34).reshape(n, 3) - .5) * 4 + .05 * age[:, None] + (group * .8)[:, None] * np.array([1, .3, 0]) + site[:, None]
y[5, 0] = y[17, 0] = y[40, 2] = np.nan
binary = (symptom + 20 * lcg(n, 35) > 28).astype(float)
weight = .5 + lcg(n, 36)
print("versions\tstatsmodels " + statsmodels.__version__ + ", scipy " + scipy.__version__ + ", scikit-learn " + sklearn.__version__)

for t, df, ncp in [(1.2, 20, .5), (-2., 7, 1.), (5., 58, 4.), (0., 12, -.7), (12., 100, 11.), (-.3, 3, -2.)]:
    show("nct", [t, df, ncp, st.nct.cdf(t, df, ncp)])
for t, df in [(2.3, 30), (-.4, 12), (0., 57), (9., 57)]:
    lo = brentq(lambda d: st.nct.cdf(t, df, d) - .975, t - 10, t + 10, xtol=1e-13)
    hi = brentq(lambda d: st.nct.cdf(t, df, d) - .025, t - 10, t + 10, xtol=1e-13)
    show("ncp_bounds", [t, df, lo, hi])
p = np.r_[lcg(15, 37) ** 2, .2, .2]
show("bh", multipletests(p, method="fdr_bh")[1])

x = np.c_[np.ones(n), age, group, symptom]
for name, fit in [("ols", sm.OLS(y[:, 1], x).fit()), ("wls_hc3", sm.WLS(y[:, 1], x, weights=weight).fit(cov_type="HC3", use_t=True)),
                  ("wls", sm.WLS(y[:, 1], x, weights=weight).fit())]:
    f = fit.f_test("x2 = 0, x3 = 0")
    show(name, [*fit.params, *fit.bse, *fit.pvalues, float(np.squeeze(f.fvalue)), float(f.pvalue)])
logit = sm.Logit(binary, x[:, [0, 1, 3]]).fit(disp=0, tol=1e-14, method="newton")
show("logit", [*logit.params, *logit.bse])

z = np.c_[age, symptom, lcg(4 * n, 38).reshape(n, 4)]
z = (z - z.mean(0)) / z.std(0, ddof=1)
for lam in (.5, 20.):
    loo = [y[i, 1] - Ridge(alpha=lam).fit(np.delete(z, i, 0), np.delete(y[:, 1], i)).predict(z[[i]])[0] for i in range(n)]
    m = Ridge(alpha=lam, solver="svd").fit(z, y[:, 1])
    show("ridge", [lam, m.intercept_, *m.coef_, *loo[:5], np.sum(np.square(loo))])

# Group statistics: every column by itself, sites and age as covariates.
for term, v in (("group", group), ("symptom", symptom)):
    for c in range(3):
        ok = ~np.isnan(y[:, c])
        design = np.c_[np.ones(n), age, site == 1, site == 2, v].astype(float)[ok]
        fit = sm.OLS(y[ok, c], design).fit()
        b, se, t, df = fit.params[-1], fit.bse[-1], fit.tvalues[-1], fit.df_resid
        ci = fit.conf_int()[-1]
        sd = v[ok].std(ddof=1) / y[ok, c].std(ddof=1)
        r = t / np.sqrt(t * t + df)
        half = st.norm.ppf(.975) / np.sqrt(ok.sum() - 3 - 3)
        out = [ok.sum(), b, se, t, df, fit.pvalues[-1], *ci, b * sd, r, np.tanh(np.arctanh(r) - half), np.tanh(np.arctanh(r) + half)]
        if term == "group":
            root = se / np.sqrt(fit.mse_resid)
            d = b / np.sqrt(fit.mse_resid)
            lo = brentq(lambda q: st.nct.cdf(t, df, q) - .975, t - 10, t + 10, xtol=1e-13) * root
            hi = brentq(lambda q: st.nct.cdf(t, df, q) - .025, t - 10, t + 10, xtol=1e-13) * root
            j = np.exp(scipy.special.gammaln(df / 2) - .5 * np.log(df / 2) - scipy.special.gammaln((df - 1) / 2))
            out += [d, j * d, lo, hi]
        show(f"{term}_{c}", out)

code = """
d <- read.csv(file("stdin"))
w <- function(name, v) cat(name, formatC(v, digits = 15, format = "g"), sep = "\\t", fill = FALSE)
t <- t.test(y1 ~ group, data = d, var.equal = TRUE)
w("r_t_test", c(-t$statistic, t$parameter, t$p.value, -rev(t$conf.int))); cat("\\n")
p <- read.table(text = "%s")$V1
w("r_bh", p.adjust(p, "BH")); cat("\\n")
m <- glm(binary ~ age + symptom, binomial, d, control = list(epsilon = 1e-14))
w("r_glm", c(coef(m), sqrt(diag(vcov(m))))); cat("\\n")
a <- anova(lm(y1 ~ age, d), lm(y1 ~ age + factor(site) * group, d))
w("r_anova", c(a$F[2], a$"Pr(>F)"[2])); cat("\\n")
w("r_wilson", prop.test(7, 25, correct = FALSE)$conf.int); cat("\\n")
""" % "\\n".join("%.17g" % v for v in p)
table = pd.DataFrame(dict(y1=y[:, 1], group=group, age=age, symptom=symptom, site=site, binary=binary))
print(subprocess.run(["Rscript", "-e", code], input=table.to_csv(index=False, float_format="%.17g"), capture_output=True, text=True, check=True).stdout, end="")
