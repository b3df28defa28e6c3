"""T1w to template: simulated warps, and both tools on the same real images."""
import json
import itertools
import re

import nibabel as nib
import numpy as np
from common import COLIN, row
from scipy.ndimage import map_coordinates

REAL = {"studyforrest": "studyforrest-sub02/sub-02/anat/*_T1w.nii.gz", "ge01": "pyneal-demo/sub-ge01/anat/*_T1w.nii.gz",
        "siemens01": "pyneal-demo/sub-siemens01/anat/*_T1w.nii.gz"}
FLIP = np.array([-1.0, -1.0, 1.0])


def move(matrix, points):
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def affine_of(parameters):
    lps = np.eye(4)
    lps[:3, :3], lps[:3, 3] = np.reshape(parameters[:9], (3, 3)), parameters[9:]
    return np.diag([*FLIP, 1]) @ lps @ np.diag([*FLIP, 1])


def through(path, points, warp=True):
    """RAS points of the template through a composite transform; its affine alone when `warp` is False."""
    import h5py
    with h5py.File(path) as f:
        group = f["TransformGroup"]
        for n in range(len(group) - 1, 0, -1):
            fixed, values = group[f"{n}/TransformFixedParameters"][()], group[f"{n}/TransformParameters"][()]
            if group[f"{n}/TransformType"][0].startswith(b"Affine"):
                points = move(affine_of(values), points)
            elif warp:
                size, lps = fixed[:3].astype(int), np.eye(4)
                lps[:3, :3], lps[:3, 3] = fixed[9:].reshape(3, 3) * fixed[6:9], fixed[3:6]
                field = values.reshape(*size[::-1], 3)
                at = move(np.linalg.inv(lps), points * FLIP).T
                points = points + np.stack([map_coordinates(field[..., c].T, at, order=1, mode="nearest") for c in range(3)], -1) * FLIP
    return points


def person_to_anatomy(folder, person, points):
    with open(f"{folder}/{person}_from-T1w_to-anatomy_xfm.json") as f:
        points = move(np.array(json.load(f)["affine"]), points)
    warp = nib.load(f"{folder}/{person}_from-T1w_to-anatomy_desc-warp_xfm.nii.gz")
    at = move(np.linalg.inv(warp.affine), points).T
    return points + np.stack([map_coordinates(warp.get_fdata()[..., c], at, order=1, mode="nearest") for c in range(3)], -1)


def errors(s, bids, person):
    """Distance in mm, over the anatomy's brain, between where the estimate leads and where the truth leads back to."""
    t1w, mask = s.path(f"{person}_t1w.nii.gz"), s.path(f"{person}_mask.nii.gz")
    s.stage("bias_field", f"{bids}/{person}/anat/{person}_T1w.nii.gz", "--out", t1w)
    s.stage("brain_mask", t1w, "--template", COLIN, "--out", mask)
    said = s.stage("normalization", t1w, "--template", COLIN, "--mask", mask, "--xfm", s.path("warp.h5"))[3]
    brain = nib.load(COLIN)
    inside = np.argwhere(np.asarray(brain.dataobj) > 0)[::37]
    points = move(brain.affine, inside.astype(float))
    out = {"jacobian": float(re.search(r"jacobian (\S+) to", said).group(1))}
    for name, warp in (("affine", False), ("warp", True)):
        found = through(s.path("warp.h5"), points, warp)
        out[name] = np.linalg.norm(person_to_anatomy(f"{bids}/sourcedata/truth/{person}", person, found) - points, axis=1)
    return out


def affine_table(s, name, t1w, mask):
    """Both see the masked T1w and the brain-only template at full resolution."""
    brain = s.path(f"{name}_brain.nii.gz")
    image, inside = nib.load(t1w), np.asarray(nib.load(mask).dataobj) > 0
    nib.save(nib.Nifti1Image(np.where(inside, image.get_fdata(dtype=np.float32), 0), image.affine), brain)
    xfm, head = s.path(f"{name}_affine.txt"), s.path(f"{name}_head_affine.txt")
    ours = s.stage("affine", brain, "--template", s.template, "--xfm", xfm, repetitions=3)
    whole = s.stage("affine", t1w, "--template", s.template, "--xfm", head, repetitions=3)
    found = s.rival("rivals.py", "affine", brain, mask, s.template, xfm, head)
    if found is None:
        row(f"affine, {name}", f"{ours[0]:.2f} s (no rivals asked for)", "not less accurate")
        return
    times = {"boldmill, brain": ours[0], "boldmill, head with skull": whole[0], **found["seconds"]}
    row(f"affine, {name}: mean Dice of Atropos classes, Dice of the masks, r inside the template's brain, s",
        "; ".join(f"{tool} {found['tissue'][tool]:.4f}, {found['dice'][tool]:.4f}, {found['r'][tool]:.4f}, {times[tool]:.1f}"
                  for tool in found["dice"]),
        "not less accurate, <= 8 s")


OURS = {"boldmill": [], "boldmill with dipy's iterations": ["--iterations", "10", "10", "5"]}


def normalisation_pair(s, name, t1w, mask):
    """Both see the same 2 mm images, both start from headers and include their own affine."""
    prepared = s.rival("rivals.py", "prepare", t1w, mask, s.template, s.path(name))
    if prepared is None:
        return None
    ours = {}
    for tool, iterations in OURS.items():
        warp = s.path(f"{name}_warp_{len(ours)}.h5")
        done = s.stage("normalization", prepared["moving"], "--template", prepared["fixed"], "--mask", prepared["moving_mask"],
                       "--template-mask", prepared["fixed_mask"], "--xfm", warp, *iterations, repetitions=3)
        ours[tool] = {"warp": warp, "jacobian": float(re.search(r"jacobian (\S+) to", done[3]).group(1)), "seconds": done[0], "cpu": done[1]}
    found = s.rival("rivals.py", "normalisation", s.path(name), ",".join(o["warp"] for o in ours.values()), ",".join(s.o.warp_rivals))
    for one, dice in zip(ours.values(), found["ours"]):
        one["dice"] = dice
    found["ours"] = ours
    lines = {**ours, **found["rivals"]}
    row(f"normalisation at 2 mm, {name}: Dice of Atropos classes (CSF, grey, white; mean), smallest Jacobian, wall s, CPU s",
        "; ".join(f"{tool} {text(f['dice'])}, {'-' if f['jacobian'] is None else format(f['jacobian'], '.2f')}, {f['seconds']:.1f}, "
                  f"{f['cpu']:.1f}" for tool, f in lines.items()), "see the mean")
    return found


def text(dice):
    return " ".join(f"{d:.3f}" for d in dice) + f" ({np.mean(dice):.4f})"


def normalisation_report(s, found):
    found = [f for f in found if f is not None]
    if not found:
        row("normalisation beside ANTs and dipy", "give --rivals", ">= 8x, difference >= -0.005")
        return
    for name, tool in itertools.product(OURS, found[0]["rivals"]):
        ours, theirs = [f["ours"][name] for f in found], [f["rivals"][tool] for f in found]
        differences = [np.mean(o["dice"]) - np.mean(t["dice"]) for o, t in zip(ours, theirs)]
        wall, cpu = ([t[k] / o[k] for o, t in zip(ours, theirs)] for k in ("seconds", "cpu"))
        row(f"normalisation, {len(found)} heads: paired difference of mean Dice ({name} minus {tool}); ratios of wall and of CPU times",
            f"mean {np.mean(differences):+.4f} ({', '.join(f'{d:+.4f}' for d in differences)}); wall "
            f"{', '.join(f'{r:.1f}' for r in wall)}; CPU {', '.join(f'{r:.1f}' for r in cpu)}; smallest Jacobian "
            f"{min(o['jacobian'] for o in ours):.2f}", ">= -0.005, >= 8x, no folding")
