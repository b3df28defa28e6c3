"""combat_rivals.py FOLDER PEOPLE COLUMNS [neuroHarmonize] [neuroCombat]: times them on cohort_benchmark's table and compares."""
import contextlib, io, resource, sys, time
import numpy as np, pandas as pd

folder, n, p = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
x = np.fromfile(f"{folder}/x.f64").reshape(p, n)
covariates = np.fromfile(f"{folder}/covariates.f64").reshape(2, n)
site = np.fromfile(f"{folder}/site.f64").astype(int)
ours = np.fromfile(f"{folder}/y.f64").reshape(p, n)
for tool in sys.argv[4:]:
    with contextlib.redirect_stdout(io.StringIO()):
        if tool == "neuroHarmonize":
            from neuroHarmonize import harmonizationLearn
            table = pd.DataFrame({"SITE": [f"s{s:02d}" for s in site], "age": covariates[0], "sex": covariates[1]})
            data = np.ascontiguousarray(x.T)
            start = time.perf_counter()
            theirs = harmonizationLearn(data, table)[1].T
        else:
            from neuroCombat import neuroCombat
            table = pd.DataFrame({"site": site, "age": covariates[0], "sex": covariates[1]})
            start = time.perf_counter()
            theirs = neuroCombat(dat=x, covars=table, batch_col="site", continuous_cols=["age", "sex"])["data"]
    print(f"{tool}_s {time.perf_counter() - start:.3f}")
    print(f"{tool}_largest_difference {np.abs(theirs - ours).max():.3e}")
print(f"rivals_peak_mb {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}")
