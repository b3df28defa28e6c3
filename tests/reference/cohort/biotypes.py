"""Writes biotypes.tsv, the reference values of the clustering tests:  python biotypes.py > biotypes.tsv

R 4.2.2: hclust(method = "average"), cutree; cluster 2.1.4: silhouette; scipy 1.15.3 and scikit-learn 1.9.1: leave-one-out
adjusted Rand. Tables by closed formulas that hierarchy_test.cpp repeats: `wide` 60 x 8, `tall` 120 x 12 (three groups), and
`tied`, a distance matrix of 40 observations with integers 1..6.
Columns: table, quantity, k, values. `heights` of all merges; `labels` and `silhouette`, `within` of k clusters; `loo`, the
mean over left-out people of the index between their absence and the full solution.
"""
import subprocess, tempfile
import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from sklearn.metrics import adjusted_rand_score


def lcg(n, seed):
    x, v = seed, np.empty(n)
    for i in range(n):
        x = (x * 6364136223846793005 + 1442695040888963407) % 2**64
        v[i] = (x >> 40) / 2**24
    return v


def table(n, p, seed):
    x = lcg(n * p, seed).reshape(n, p) + lcg(n * p, seed + 1).reshape(n, p)
    x[:, :p // 3] += lcg(n, seed + 2)[:, None]
    for i in range(n):
        x[i, i % 3 * (p // 3):(i % 3 + 1) * (p // 3)] += .4 * (seed % 2)
    return x


wide, tall = table(60, 8, 30), table(120, 12, 41)
tied = np.floor(lcg(1600, 50).reshape(40, 40) * 6) + 1
tied = np.tril(tied, -1) + np.tril(tied, -1).T
with tempfile.TemporaryDirectory() as folder:
    for name, x in (("wide", wide), ("tall", tall), ("tied", tied)):
        np.savetxt(f"{folder}/{name}", x, "%.17g")
    script = f"""
library(cluster)
show <- function(...) cat(paste(..., sep="\\t"), "\\n", sep="")
number <- function(x) paste(sprintf("%.15g", x), collapse="\\t")
for (name in c("wide", "tall", "tied")) {{
  x <- as.matrix(read.table(file.path("{folder}", name)))
  d <- if (name == "tied") as.dist(x) else as.dist(1 - cor(t(x)))
  h <- hclust(d, method="average")
  show(name, "heights", 0, number(h$height))
  for (k in 2:15) {{
    l <- cutree(h, k)
    show(name, "labels", k, paste(l, collapse="\\t"))
    show(name, "silhouette", k, number(summary(silhouette(l, d))$avg.width))
    m <- as.matrix(d)
    show(name, "within", k, number(sum(sapply(1:k, function(c) sum(m[l == c, l == c]) / 2))))
  }}
  show(name, "widths", 6, number(silhouette(cutree(h, 6), d)[, "sil_width"]))
}}"""
    print(subprocess.run(["Rscript", "-e", script], check=True, capture_output=True, text=True).stdout, end="")
for name, x in (("wide", wide), ("tall", tall)):
    d = 1 - np.corrcoef(x)
    labels = lambda keep, k: fcluster(linkage(squareform(d[np.ix_(keep, keep)], checks=False), "average"), k, "maxclust")
    everyone = np.arange(len(x))
    for k in range(2, 16):
        full = labels(everyone, k)
        index = [adjusted_rand_score(full[keep], labels(keep, k)) for keep in (np.delete(everyone, i) for i in everyone)]
        print("\t".join([name, "loo", str(k), "%.15g" % np.mean(index)]))
print("\t".join(["ari", "pair", "0", "%.15g" % adjusted_rand_score([0, 0, 1, 1, 2, 2, 2, 0], [0, 0, 0, 1, 1, 2, 2, 2])]))
