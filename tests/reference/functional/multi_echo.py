"""T2* and echo weights by tedana 26.0.3 (decay.fit_loglinear, combine._combine_t2s): python multi_echo.py > multi_echo.tsv
Means of 40 voxels and four echoes, s0 and T2* random, without noise; large, since tedana fits log(S + 1)."""
import numpy as np
from tedana import combine, decay

rng = np.random.default_rng(3)
times = np.array([0.0128, 0.0277, 0.0426, 0.0575])
t2star, s0 = rng.uniform(0.01, 0.12, 40), rng.uniform(2e8, 9e8, 40)
means = s0[:, None] * np.exp(-times / t2star[:, None])
counts = np.full(40, 4)
fitted = np.asarray(decay.fit_loglinear(np.repeat(means[:, :, None], 3, axis=2), times, counts, report=False)[0]).ravel()
weights = np.column_stack([
    np.asarray(combine._combine_t2s(np.where(np.arange(4) == e, 1.0, 0.0)[None, :, None] * np.ones((40, 1, 1)),
                                    times[None, :], fitted[:, None], report=False)).ravel() for e in range(4)])
print("\t".join([*(f"mean{e}" for e in range(4)), "t2star_s", *(f"weight{e}" for e in range(4))]))
for row in np.column_stack([means, fitted, weights]):
    print("\t".join(f"{x:.9g}" for x in row))
