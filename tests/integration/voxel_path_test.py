"""`stage denoise` on an image writes in one pass what despiking, denoising, ALFF and ReHo give one after the other; smoothed volumes and
smoothed regions are scipy's; the bytes do not depend on the number of threads."""
import os
import subprocess

import nibabel as nb
import numpy as np
from scipy.ndimage import gaussian_filter
from support import PROGRAM, Scratch, check, run

T, TR, SHAPE, DUMMIES = 160, 2.0, (9, 8, 7), 3
rng = np.random.default_rng(3)
affine = np.diag([3.0, 3, 4, 1])
data = 1000 + 30 * rng.standard_normal(SHAPE + (T,)) + 40 * np.sin(2 * np.pi * 0.03 * TR * np.arange(T))
data[rng.random(data.shape) < 0.01] += 400  # spikes
data = data.astype("f4")
brain = np.zeros(SHAPE, bool)
brain[1:, 1:-1, :6] = True  # touches the edge of the image
brain[3, 3, 3] = False
data[5, 4, 2] = 7.0  # constant
motion = np.cumsum(0.02 * rng.standard_normal((T, 6)), axis=0) * [1, 1, 1, 0.02, 0.02, 0.02]
fd = np.r_[np.nan, np.abs(np.diff(motion, axis=0)) @ [1, 1, 1, 50, 50, 50]]
fd[[20, 21, 60, T - 1]] = 0.9


def columns(image):
    return np.asarray(image.dataobj)[brain].T


with Scratch() as scratch:
    p = scratch.path

    def save(name, values):
        image = nb.Nifti1Image(values, affine)
        image.header.set_xyzt_units("mm", "sec")
        if values.ndim == 4:
            image.header["pixdim"][4] = TR
        nb.save(image, p(name))
        return p(name)

    bold, mask = save("bold.nii.gz", data), save("mask.nii.gz", brain.astype("u1"))
    names = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z", "framewise_displacement"]
    with open(p("c.tsv"), "w") as f:
        f.write("\t".join(names) + "\n")
        for row in np.c_[motion, fd]:
            f.write("\t".join("n/a" if np.isnan(x) else repr(float(x)) for x in row) + "\n")
    model = ["--confounds", p("c.tsv"), "--tr", TR, "--strategy", "custom", "--columns", *names[:6], "--filter", "butterworth",
             "--high-pass-hz", 0.01, "--low-pass-hz", 0.1, "--standardize", "false", "--min-dof", 5, "--dummy-scans", DUMMIES]

    def one_pass(tag, *prefix):
        files = [p(f"{tag}_{k}.nii.gz") for k in ("denoised", "alff", "reho", "smoothed")]
        command = [*prefix, PROGRAM, "stage", "denoise", bold, "--mask", mask, *model, "--despike", "--out", files[0], "--alff", files[1],
                   "--reho", files[2], "--smoothing", 6, "--smoothed", files[3]]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        check(done.returncode == 0, done.stderr)
        return files

    files = one_pass("one")
    denoised, alff, reho, smoothed = map(nb.load, files)
    kept = np.nan_to_num(fd, nan=0.0) <= 0.3
    kept[:DUMMIES] = False
    check(denoised.shape[3] == kept.sum() == T - DUMMIES - 4, f"{denoised.shape} {kept.sum()}")

    run("stage", "despike", bold, "--mask", mask, "--n-dummy", DUMMIES, "--out", p("d.nii.gz"), expect=0)
    run("stage", "denoise", p("d.nii.gz"), "--mask", mask, *model, "--out", p("k.nii.gz"), expect=0)
    check(np.array_equal(columns(denoised), columns(nb.load(p("k.nii.gz")))), "one pass differs from despike, then denoise")
    run("stage", "denoise", p("d.nii.gz"), "--mask", mask, *model, "--output", "interpolated", "--out", p("i.nii.gz"), expect=0)
    with open(p("keep.tsv"), "w") as f:
        f.write("keep\n" + "".join(f"{int(k)}\n" for k in kept[DUMMIES:]))
    band = ["--low-hz", 0.01, "--high-hz", 0.1, "--fraction", "false"]
    run("stage", "alff", p("i.nii.gz"), "--mask", mask, "--keep", p("keep.tsv"), "--tr", TR, *band, "--out", p("a.nii.gz"), expect=0)
    run("stage", "reho", p("k.nii.gz"), "--mask", mask, "--out", p("r.nii.gz"), expect=0)
    for what, ours, name in (("ALFF", alff, "a"), ("ReHo", reho, "r")):
        chain = nb.load(p(f"{name}.nii.gz")).get_fdata()
        check(np.array_equal(ours.get_fdata(), chain) and (chain[brain] > 0).sum() > 0.9 * brain.sum(), what)
    check(not denoised.get_fdata()[~brain].any() and not denoised.get_fdata()[5, 4, 2].any(), "zero without a value")

    sigma = 6 / np.sqrt(8 * np.log(2)) / np.array([3.0, 3, 4])
    expected = np.stack([gaussian_filter(v, sigma) for v in np.moveaxis(denoised.get_fdata(), 3, 0)], axis=3)
    check(np.abs(smoothed.get_fdata() - expected).max() < 2e-6 * np.abs(expected).max(), "smoothed volumes")  # float32 along three axes

    labels = np.where(brain, 1 + (np.indices(SHAPE)[0] >= 5), 0).astype("i2")
    run("stage", "extraction", bold, "--atlas", save("atlas.nii.gz", labels), "--mask", mask, "--smoothing", 6, "--out", p("ts.tsv"),
        expect=0)
    series = np.loadtxt(p("ts.tsv"), skiprows=1)
    whole = np.stack([gaussian_filter(v.astype(float), sigma) for v in np.moveaxis(data, 3, 0)])
    for r in (1, 2):  # float32 weights and sums: 1e-6 of the mean
        check(np.allclose(series[:, r - 1], whole[:, labels == r].mean(axis=1), rtol=1e-6, atol=0), f"smoothed region {r}")

    for tag, prefix in (("a", ["taskset", "-c", str(min(os.sched_getaffinity(0)))]), ("b", [])):
        for first, again in zip(files, one_pass(tag, *prefix)):
            with open(first, "rb") as x, open(again, "rb") as y:
                check(x.read() == y.read(), f"{again}: other bytes")
    scored = ["true" if word == "false" else word for word in model]
    code, text = run("stage", "denoise", bold, "--mask", mask, *scored, "--out", p("n.nii.gz"), "--alff", p("n2.nii.gz"))
    check(code == 2 and "z-scored" in text and not os.path.exists(p("n.nii.gz")), f"{code} {text}")
