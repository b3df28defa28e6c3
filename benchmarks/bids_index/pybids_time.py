"""pybids_time.py DIR: time and memory of PyBIDS on the tree that bids_index generated."""
import resource
import sys
import time

import bids

for validate in (False, True):
    start = time.perf_counter()
    layout = bids.BIDSLayout(sys.argv[1], validate=validate)
    runs = layout.get(suffix="bold", extension=".nii.gz")
    repetition = {run.get_metadata()["RepetitionTime"] for run in runs}
    print(f"pybids {bids.__version__} validate={validate}: {time.perf_counter() - start:.2f} s, "
          f"{len(layout.get_subjects())} participants, {len(runs)} runs, TR {repetition}, "
          f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
