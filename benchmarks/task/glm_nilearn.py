"""glm_nilearn.py SERIES T P DESIGN K CONTRASTS C NOISE OUT: nilearn on the files that glm_benchmark reads."""
import resource
import sys
import time
import warnings

import numpy as np
from nilearn.glm.contrasts import compute_contrast
from nilearn.glm.first_level import run_glm

series, t, p, design, k, contrasts, c, noise, out = sys.argv[1:]
t, p, k, c = map(int, (t, p, k, c))
warnings.simplefilter("ignore")
y = np.fromfile(series, np.float32).reshape(p, t).T
x = np.fromfile(design).reshape(k, t).T
weights = np.fromfile(contrasts).reshape(c, k)
start = time.perf_counter()
labels, results = run_glm(y, x, noise_model=noise, n_jobs=1)
maps = []
for w in weights:
    found = compute_contrast(labels, results, w)
    z = found.z_score()
    maps += [m.astype(np.float32) for m in (found.effect, found.variance, found.stat_, z)]
print(f"wall {time.perf_counter() - start:.3f} peak_mb {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} models {len(results)}")
with open(out, "wb") as f:
    for m in maps:
        m.tofile(f)
