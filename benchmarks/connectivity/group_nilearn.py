"""group_nilearn.py SERIES N T R OUT: nilearn's ConnectivityMeasure on the file that group_connectivity reads."""
import resource
import sys
import time
import warnings

import numpy as np
from nilearn.connectome import ConnectivityMeasure

path, n, t, r, out = sys.argv[1], *map(int, sys.argv[2:5]), sys.argv[5]
warnings.simplefilter("ignore")
people = [x.T.astype(float) for x in np.fromfile(path, np.float32, n * t * r).reshape(n, r, t)]


def timed(name, kind):
    wall, cpu = time.perf_counter(), time.process_time()
    measure = ConnectivityMeasure(kind=kind)
    result = measure.fit_transform(people)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{name} wall {time.perf_counter() - wall:.3f} cpu {time.process_time() - cpu:.3f} peak_mb {peak:.0f}", flush=True)
    return measure, result[:20].copy()


_, correlations = timed("ledoit_wolf", "correlation")
measure, tangents = timed("tangent", "tangent")
with open(out, "wb") as f:
    for m in (measure.mean_, tangents, correlations):
        np.ascontiguousarray(m).tofile(f)
