"""pybids_derivatives.py DIR: PyBIDS on the derivatives that bids_index wrote: index, then the files of every run."""
import json
import resource
import sys
import time

import bids

start = time.perf_counter()
layout = bids.BIDSLayout(sys.argv[1], validate=False, is_derivative=True)
indexed = time.perf_counter() - start
runs = layout.get(suffix="bold", desc="preproc", space="MNI152NLin2009cAsym", extension=".nii.gz")
complete = 0
for run in runs:
    own = {k: run.entities[k] for k in ("subject", "task", "run")}
    mask = layout.get(suffix="mask", desc="brain", space="MNI152NLin2009cAsym", extension=".nii.gz", **own)
    confounds = layout.get(suffix="timeseries", desc="confounds", extension=".tsv", **own)
    complete += len(mask) == 1 and len(confounds) == 1
print(json.dumps({"version": bids.__version__, "wall": time.perf_counter() - start, "indexed": indexed, "runs": len(runs),
                  "complete": complete, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
