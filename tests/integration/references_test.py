"""Preprocessing stages on real images beside stored results of independent tools (tests/reference/preprocessing: ANTs, niworkflows,
nilearn; and scipy here). Exit code 77: the images are not there."""
import csv
import json
import os
import sys

import nibabel as nb
import numpy as np
from scipy.ndimage import map_coordinates
from support import SOURCE, Scratch, check, run
from xfm import move, through_h5

DATA = os.environ.get("BOLDMILL_TEST_DATA", f"{SOURCE}/../shared/data") + "/bids"
TEMPLATE = f"{SOURCE}/share/boldmill/templates/mni152.nii.gz"
PYNEAL = f"{DATA}/pyneal-demo"
if not os.path.exists(PYNEAL) or not os.path.exists(TEMPLATE):
    print(f"no {PYNEAL} or no template: nothing was compared")
    sys.exit(77)


def reference(name):
    with open(f"{SOURCE}/tests/reference/preprocessing/{name}.json") as f:
        return json.load(f)


def stage(name, *arguments):
    run("stage", name, *arguments, expect=0)


def voxels(image, ras):
    return tuple(np.rint(move(np.linalg.inv(image.affine), np.asarray(ras))).astype(int).T)


def say(what, figure, limit, larger_is_better=True):
    print(f"{what}: {figure:.4f}")
    check(figure >= limit if larger_is_better else figure <= limit, f"{what}: {figure}, expected {limit}")


ants, functional = reference("ants"), reference("functional")
with Scratch() as scratch:
    # Dummies and the brain of a BOLD reference.
    for name, expected in functional["runs"].items():
        bold = f"{DATA}/{expected['path']}"
        if not os.path.exists(bold):
            print(f"no {bold}: left out")
            continue
        _, text = run("stage", "dummy_scans", bold, expect=0)
        found = int("".join(c for c in text.split()[0] if c.isdigit()))
        print(f"{name}: {found} dummies, fMRIPrep's detector {expected['n_dummies']}")
        check(found == expected["n_dummies"], f"{name}: {text}")
        stage("head_motion", bold, "--motion", scratch.path("m.tsv"), "--out-reference", scratch.path("ref.nii.gz"))
        stage("bold_mask", scratch.path("ref.nii.gz"), "--out", scratch.path("mask.nii.gz"))
        mask = np.asarray(nb.load(scratch.path("mask.nii.gz")).dataobj) > 0
        theirs = np.array([c == "1" for c in expected["inside"]])
        ours = mask.ravel()[expected["voxels_in_c_order"]]
        say(f"{name}: Dice with nilearn's compute_epi_mask", 2 * np.sum(ours & theirs) / (ours.sum() + theirs.sum()), 0.85)

    # Anatomy.
    raw = f"{PYNEAL}/sub-ge01/anat/sub-ge01_T1w.nii.gz"
    t1w, mask, warp = scratch.path("t1w.nii.gz"), scratch.path("brain.nii.gz"), scratch.path("to_template.h5")
    stage("bias_field", raw, "--out", t1w)
    before, after = nb.load(raw), nb.load(t1w)
    expected = ants["bias_field"]
    at = voxels(before, expected["white_matter_ras_mm"])
    field = np.log(np.asarray(before.dataobj)[at] / np.asarray(after.dataobj)[at])
    cv = np.std(np.asarray(after.dataobj)[at]) / np.mean(np.asarray(after.dataobj)[at])
    print(f"N4: r of the log field in white matter with ANTs' {np.corrcoef(field, expected['log_field'])[0, 1]:.3f}; coefficient of "
          f"variation there {expected['raw_cv']:.4f} raw, {expected['corrected_cv']:.4f} ANTs, {cv:.4f} ours")
    check(cv < 1.05 * expected["corrected_cv"] < expected["raw_cv"], "white matter must be as even as ANTs leaves it")
    check(np.corrcoef(field, expected["log_field"])[0, 1] > 0.8, "the fields must agree (ANTs' head mask is another)")
    stage("brain_mask", t1w, "--template", TEMPLATE, "--out", mask)
    image = nb.load(mask)
    ours = np.asarray(image.dataobj)[voxels(image, ants["brain_mask"]["ras_mm"])] > 0
    theirs = np.array([c == "1" for c in ants["brain_mask"]["inside"]])
    say("brain mask: Dice with Colin27's carried by ANTs", 2 * np.sum(ours & theirs) / (ours.sum() + theirs.sum()), 0.95)
    stage("tissue", t1w, "--mask", mask, "--out-prefix", scratch.path("t_"))
    maps = [nb.load(scratch.path(f"t_label-{kind}_probseg.nii.gz")) for kind in ("CSF", "GM", "WM")]
    at = voxels(maps[0], ants["tissue"]["ras_mm"])
    share = np.array([np.asarray(m.dataobj)[at] for m in maps])
    inside = share.sum(axis=0) > 0.5
    label = 1 + share.argmax(axis=0)
    say("tissue: agreement with Atropos", np.mean(label[inside] == np.array([int(c) for c in ants["tissue"]["label"]])[inside]), 0.85)
    stage("normalization", t1w, "--template", TEMPLATE, "--mask", mask, "--xfm", warp)
    expected = ants["normalization"]
    points = through_h5(warp, np.array(expected["template_ras_mm"]))
    apart = np.linalg.norm(points - expected["t1w_ras_mm"], axis=1)
    by_affine = np.linalg.norm(np.subtract(expected["t1w_ras_mm_affine"], expected["t1w_ras_mm"]), axis=1)
    print(f"ANTs' warp beyond its affine: median {np.median(by_affine):.2f} mm")
    say("normalisation: median distance to ANTs' SyN with CC, mm", np.median(apart), 2.0, False)
    check(np.median(apart) < 0.75 * np.median(by_affine), "the two warps must agree better than either with no warp")

    # BOLD to BOLD, BOLD to T1w.
    person = f"{PYNEAL}/sub-siemens01"
    bold = f"{person}/func/sub-siemens01_task-rest_dir-AP_bold.nii.gz"
    series = nb.load(bold)
    first = scratch.path("first.nii.gz")
    nb.save(nb.Nifti1Image(np.asarray(series.dataobj[..., ants["head_motion"]["reference_volume"]]), series.affine), first)
    stage("head_motion", bold, "--reference", first, "--motion", scratch.path("m.tsv"), "--transforms", scratch.path("x.tsv"),
          "--dummy-scans", 0)
    with open(scratch.path("x.tsv")) as f:
        table = list(csv.reader(f, delimiter="\t"))
    check(len(table) == series.shape[3] + 1, "a row for every volume")
    apart = []
    for volume in ants["head_motion"]["volumes"]:
        matrix = np.array(table[1 + volume["volume"]], dtype=float).reshape(4, 4)
        apart.append(np.linalg.norm(move(matrix, np.array(ants["head_motion"]["reference_ras_mm"])) - volume["ras_mm"], axis=1))
    # ANTs' own error on known motion of 3 mm volumes is 0.06 mm in the median and 0.10 mm at the 95th percentile, ours 0.008
    # (benchmarks/preprocessing/known_motion.py --ants); these volumes of 0.8 s are noisier.
    apart = [a.mean() for a in apart[1:]]
    say("head motion: distance to ANTs' rigid maps, mean over the head, median of the volumes, mm", np.median(apart), 0.2, False)
    say("the largest of them, mm", max(apart), 0.3, False)
    t1w = scratch.path("siemens.nii.gz")
    stage("bias_field", f"{person}/anat/sub-siemens01_T1w.nii.gz", "--out", t1w)
    stage("brain_mask", t1w, "--template", TEMPLATE, "--out", mask)
    stage("head_motion", bold, "--motion", scratch.path("m.tsv"), "--out-reference", scratch.path("ref.nii.gz"))
    stage("coregistration", scratch.path("ref.nii.gz"), "--t1w", t1w, "--t1w-mask", mask, "--xfm", scratch.path("coreg.tsv"))
    with open(scratch.path("coreg.tsv")) as f:
        matrix = np.array([[float(x) for x in line.split("\t")] for line in f.read().split("\n")[-5:] if line][-4:])
    points = move(matrix, np.array(ants["coregistration"]["bold_ras_mm"]))
    apart = np.linalg.norm(points - ants["coregistration"]["t1w_ras_mm"], axis=1)
    say("coregistration: mean distance to ANTs' rigid map, mm", apart.mean(), 3.0, False)

    # Distortion of a known field, undone by scipy's cubic spline: value and Jacobian.
    epi = nb.load(scratch.path("ref.nii.gz"))
    data = epi.get_fdata()
    i, j, k = np.meshgrid(*(np.arange(n) for n in data.shape), indexing="ij")
    hz = 40.0 * np.exp(-(((i - 50) / 20) ** 2 + ((j - 60) / 18) ** 2 + ((k - 30) / 15) ** 2))
    nb.save(nb.Nifti1Image(hz.astype(np.float32), epi.affine), scratch.path("hz.nii.gz"))
    stage("distortion", scratch.path("ref.nii.gz"), "--field", scratch.path("hz.nii.gz"), "--direction", "j", "--readout", "0.05",
          "--modulate", "--out", scratch.path("straight.nii.gz"), "--shift", scratch.path("shift.nii.gz"))
    shift = hz * 0.05
    wanted = map_coordinates(data, [i, j + shift, k], order=3, mode="mirror") * (1 + np.gradient(shift, axis=1))
    ours = nb.load(scratch.path("straight.nii.gz")).get_fdata()
    inner = (slice(4, -4),) * 3
    difference = np.abs(ours - wanted)[inner].max() / data.max()
    unmoved = np.abs(data - wanted)[inner].max() / data.max()
    print(f"distortion: without it {unmoved:.3f} of the range")
    say("distortion: largest difference to scipy, share of the range", difference, 0.005, False)
print("ok")
