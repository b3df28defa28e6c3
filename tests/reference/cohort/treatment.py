"""Writes treatment.tsv, the reference values of the treatment tests:  python treatment.py > treatment.tsv

R 4.2.2 (wilcox.test, chisq.test, lm, glm, anova), statsmodels (WLS with HC3). Inputs by closed formulas that
treatment_test.cpp repeats: 120 people of one study, two arms, three biotypes, outcomes of some missing.
Columns: quantity, values.
"""
import subprocess
import numpy as np, pandas as pd, statsmodels.api as sm


def lcg(n, seed):
    x, v = seed, np.empty(n)
    for i in range(n):
        x = (x * 6364136223846793005 + 1442695040888963407) % 2**64
        v[i] = (x >> 40) / 2**24
    return v


n = 120
arm, biotype = (lcg(n, 51) > .5).astype(int), np.floor(lcg(n, 52) * 3).astype(int)
baseline = 15 + 20 * lcg(n, 53)
x = lcg(2 * n, 54).reshape(n, 2) - .5
y = .6 * baseline - 4 * (biotype == 1) * arm + 6 * x[:, 0] * arm + 10 * (lcg(n, 55) - .5)
y[lcg(n, 56) + .004 * baseline > .92] = np.nan
d = pd.DataFrame(dict(y=y, arm=arm, biotype=biotype, baseline=baseline, x1=x[:, 0], x2=x[:, 1]))
code = """
d <- read.csv(file("stdin"))
w <- function(name, v) cat(paste(c(name, formatC(as.numeric(v), digits = 15, format = "g", width = 1)), collapse = "\\t"), "\\n")
for (a in 0:1) {
  s <- d[d$arm == a, ]
  resp <- (s$y - s$baseline) / s$baseline < -0.5
  remit <- s$y <= 10
  tab <- function(f) suppressWarnings(chisq.test(table(s$biotype, f)))
  w(paste0("whole_", a), c(sum(!is.na(s$y)), median(s$y, na.rm = TRUE), mean(resp, na.rm = TRUE), tab(resp)$statistic, tab(resp)$p.value, tab(remit)$statistic, tab(remit)$p.value))
  for (b in 0:2) {
    own <- s$biotype == b
    v <- s$y[own & !is.na(s$y)]
    mu <- median(s$y[!own], na.rm = TRUE)
    t <- wilcox.test(v, mu = mu)
    f <- suppressWarnings(chisq.test(table(own, resp)))
    w(paste0("cell_", a, "_", b), c(length(v), median(v), mu, t$statistic, t$p.value, mean(resp[own], na.rm = TRUE), f$p.value))
  }
}
m <- lm(y ~ baseline + arm * x1, d)
w("lm_x1", c(coef(m)["arm:x1"], summary(m)$coefficients["arm:x1", 2:4], confint(m)["arm:x1", ]))
a <- anova(lm(y ~ baseline + arm + factor(biotype), d), lm(y ~ baseline + arm * factor(biotype), d))
w("lm_biotype", c(a$F[2], a$Df[2], a$"Pr(>F)"[2]))
"""
out = subprocess.run(["Rscript", "-e", code], input=d.to_csv(index=False, float_format="%.17g", na_rep="NA"), capture_output=True, text=True)
assert out.returncode == 0, out.stderr
print("\n".join(line.rstrip() for line in out.stdout.splitlines()))
z = np.c_[np.ones(n), baseline, arm]
present = ~np.isnan(y)
p = sm.Logit(present.astype(float), z).fit(disp=0, tol=1e-14, method="newton").predict(z)
for k, name in ((0, "x1"), (1, "x2")):
    design = np.c_[z, x[:, k], x[:, k] * arm][present]
    fit = sm.WLS(y[present], design, weights=1 / np.maximum(p, .05)[present]).fit(cov_type="HC3", use_t=True)
    print("\t".join([f"weighted_{name}"] + ["%.15g" % v for v in (fit.params[-1], fit.bse[-1], fit.pvalues[-1])]))
