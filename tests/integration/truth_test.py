"""Short form of benchmarks/end_to_end/truth: motion, distortion and circuit edges of a small simulated cohort are recovered."""
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.environ["BOLDMILL_SOURCE_DIR"], "tests", "support"))
import numpy as np
import truth
from support import PROGRAM, Scratch, check, run

with Scratch() as scratch:
    bids = scratch.simulate("bids", 10, "--sites", "1")
    out = scratch.path("out")
    code, text = run(bids, out, "all", "--progress", "none", "--set", "target.spacing_mm=3",
                     "normalization.level_spacing_mm=8,4", "normalization.iterations=40,30")
    check(code in (0, 1), text)
    people, group, edges, measured, true, scores = truth.edge_recovery(bids, os.path.join(out, "cohort.h5"))
    with tempfile.TemporaryDirectory() as folder:
        errors = np.concatenate([truth.motion_errors(PROGRAM, bids, p, folder) for p in people])
        for person in people[:6]:
            shift, left = (np.abs(x) for x in truth.distortion_residuals(PROGRAM, bids, person, folder))
            print(f"{person}: shift median {np.median(shift):.3f}, 99th percentile {np.quantile(shift, .99):.2f} voxel; left "
                  f"{np.median(left):.3f} and {np.quantile(left, .99):.2f}; worse than before in {np.mean(left > shift):.1%}")
            check(np.quantile(left, .99) < 0.3, "what is left of the distortion must be below 0.3 voxel")
            check(np.median(left) < np.median(shift) and np.quantile(left, .99) < np.quantile(shift, .99),
                  "the correction must not be worse than none")
    print(f"motion: median {np.median(errors):.4f} mm, 95th percentile {np.quantile(errors, .95):.4f} mm")
    check(np.median(errors) < 0.05, "the median motion error must be below 0.05 mm")
    check(len(edges) == 14, f"{len(edges)} task-free edges, expected 14")
    check(not np.isnan(measured).any(), "an edge is missing although every run was acquired")
    r = np.corrcoef(true.ravel(), measured.ravel())[0, 1]
    print(f"edges: r of measured with true {r:.3f}, mean difference {np.mean(measured - true):.3f}")
    check(r > 0.8, "measured edges must follow the true ones")
    check(set(scores) >= set(truth.CIRCUITS), "scores are missing")
print("ok")
