"""References of dummy_scans and bold_mask by niworkflows (fMRIPrep's detector) and nilearn, on real images:

  python make_functional.py DATA/bids > functional.json

Nothing of boldmill is used.
"""
import importlib.metadata
import json
import sys

import nibabel as nib
import numpy as np
from nilearn.image import mean_img
from nilearn.masking import compute_epi_mask
from niworkflows.interfaces.bold import NonsteadyStatesDetector

RNG = np.random.default_rng(12)
RUNS = {"studyforrest-sub02": "sub-02/func/sub-02_task-objectcategories_run-1_bold.nii.gz",
        "pyneal-demo ge01": "sub-ge01/func/sub-ge01_task-unknown_bold.nii.gz",
        "pyneal-demo rest": "sub-siemens01/func/sub-siemens01_task-rest_dir-AP_bold.nii.gz",
        "pyneal-demo visual": "sub-siemens01/func/sub-siemens01_task-visual_bold.nii.gz"}

out = {"tool": ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("niworkflows", "nipype", "nilearn")),
       "command": __doc__.split("\n")[2].strip(), "runs": {}}
for name, path in RUNS.items():
    image = nib.load(f"{sys.argv[1]}/{name.split()[0]}/{path}")
    outliers = int(NonsteadyStatesDetector(in_file=f"{sys.argv[1]}/{name.split()[0]}/{path}").run().outputs.n_dummy)
    mask = compute_epi_mask(image, exclude_zeros=False)
    inside = np.asarray(mask.dataobj) > 0
    index = np.sort(RNG.permutation(inside.size)[:1500])
    out["runs"][name] = {"path": f"{name.split()[0]}/{path}", "n_dummies": outliers, "n_inside": int(inside.sum()),
                         "voxels_in_c_order": index.tolist(),
                         "inside": "".join(str(int(x)) for x in inside.ravel()[index])}
json.dump(out, sys.stdout)
