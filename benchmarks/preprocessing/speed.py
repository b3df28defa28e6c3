"""Rows about time and memory."""
import os
import subprocess

from common import row, speed, timed


def whole(s):
    """One person of usual size, from raw files to region series."""
    bids = s.simulated("bids", 1, "--size", "real", "--sites", 1)
    subprocess.run(["rm", "-rf", s.path("out")], check=True)
    result = timed([s.o.program, bids, s.path("out"), "all", "--progress", "none"])
    row("1 mm T1w and 240 volumes of 3 mm, raw to region series in template space", speed(result), "<= 150 s, <= 3 GB")


def stages(s):
    t1w, bold = s.forrest()
    if t1w is None:
        return
    out, corrected, mask = s.path("out.nii"), s.path("speed_t1w.nii.gz"), s.path("speed_mask.nii.gz")
    row("head motion, estimate and resample (80x80x35x156)",
        speed(s.stage("head_motion", bold, "--motion", s.path("m.tsv"), "--out-bold", out, repetitions=3)), "<= 2.5 s")
    row("slice timing, same run",
        speed(s.stage("slice_timing", bold, "--sidecar", bold[:-7] + ".json", "--out", out, repetitions=3)), "<= 1 s")
    row("bias field, 0.67 mm head", speed(s.stage("bias_field", t1w, "--out", corrected, repetitions=3)), "(10 s)")
    row("affine to template, 0.67 mm head with skull",
        speed(s.stage("affine", corrected, "--template", s.template, "--xfm", s.path("affine.txt"), repetitions=3)), "<= 8 s")
    row("brain mask (affine included)",
        speed(s.stage("brain_mask", corrected, "--template", s.template, "--out", mask, repetitions=3)), "(10 s)")
    row("normalisation of the 0.67 mm head, 2 mm at its finest (affine included)",
        speed(s.stage("normalization", corrected, "--template", s.template, "--mask", mask, "--xfm", s.path("warp.h5"),
                      repetitions=3)), "(70 s)")
    row("tissue classes, 0.67 mm head",
        speed(s.stage("tissue", corrected, "--mask", mask, "--out-prefix", s.path("t_"), repetitions=3)), "(10 s)")
    import nibabel as nib
    import numpy as np
    bids = s.simulated("bids", 1, "--size", "real", "--sites", 1)
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = (-90, -126, -72)
    nib.save(nib.Nifti1Image(np.zeros((91, 109, 91), np.uint8), affine), s.path("grid2mm.nii.gz"))
    row("resample 240 volumes to 91x109x91 of 2 mm",
        speed(s.stage("bold_resampling", f"{bids}/sub-001/func/sub-001_task-rest_bold.nii.gz", "--target",
                      s.path("grid2mm.nii.gz"), "--out", out, repetitions=3)), "<= 8 s")
    os.remove(out)
