"""A real task run (objects shown in blocks, 3 mm, TR 2 s): all stimuli against rest peak in occipital cortex, at the t that the data's
README gives for a canonical response. Skipped where the data are not there."""
import os
import sys

import nibabel as nb
import numpy as np
from support import SOURCE, Scratch, check, run

DATA = os.environ.get("BOLDMILL_TEST_DATA", os.path.join(SOURCE, "../shared/data")) + "/bids/studyforrest-sub02"
STEM = "sub-02_task-objectcategories_run-1"
SPACE = "MNI152NLin2009cAsym"
if not os.path.isdir(DATA):
    print("no real task run here")
    sys.exit(77)

with Scratch() as scratch:
    out, maps = scratch.path("out"), scratch.path("maps")
    code, text = run(DATA, out, "participant", "--progress", "none", "--write-volumes", "all",
                     "--set", "target.spacing_mm=3", "normalization.level_spacing_mm=8,4", "normalization.iterations=40,30")
    check(code in (0, 1), text)
    func = os.path.join(out, "sub-02", "func")
    bold = [f for f in os.listdir(func) if f.endswith("desc-preproc_bold.nii.gz")]
    check(len(bold) == 1, f"preprocessed series: {os.listdir(func)}")
    bold = os.path.join(func, bold[0])
    contrasts = scratch.path("c.json")
    with open(contrasts, "w") as f:
        f.write('{"all": {"body": 1, "face": 1, "house": 1, "object": 1, "scene": 1, "scramble": 1}, "faces_vs_scenes": "face - scene"}')
    events = os.path.join(DATA, "sub-02", "func", STEM + "_events.tsv")
    for noise in ("ols", "mixture"):
        run("stage", "glm", bold, "--events", events, "--contrasts", contrasts, "--tr", 2, "--out", maps, "--mask",
            bold.replace("desc-preproc_bold", "desc-brain_mask"), "--noise", noise, expect=0)
        t = nb.load(os.path.join(maps, "all_t.nii.gz"))
        values = t.get_fdata()
        peak = np.unravel_index(np.argmax(values), values.shape)
        x, y, z = nb.affines.apply_affine(t.affine, peak)
        print(f"{noise}: t {values.max():.1f} at {x:.0f} {y:.0f} {z:.0f} mm")
        check(y < -65 and abs(x) < 55 and -30 < z < 35, "the strongest voxel must lie in occipital cortex")
        if noise == "ols":
            check(18 < values.max() < 30, "t of the strongest voxel, 23 by the data's README")
        top = np.argwhere(values > np.sort(values, axis=None)[-200])
        where = nb.affines.apply_affine(t.affine, top)
        share = np.mean(where[:, 1] < -50)
        print(f"{noise}: {share:.0%} of the 200 strongest voxels lie behind y = -50 mm")
        check(share > 0.9, "the strongest voxels must lie in the back of the brain")
print("ok")
