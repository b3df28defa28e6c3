"""Atlases as they come, through `stage extraction` and `stage regions`: every image of the shared atlases gives its regions where
numpy finds them, whatever the handedness of atlas and series; points, maps, unions, CIFTI-2."""
import glob
import os
import sys

import nibabel as nb
import numpy as np
from support import SOURCE, Scratch, check, run

DATA = os.environ.get("BOLDMILL_TEST_DATA", os.path.join(SOURCE, "../shared/data"))
ATLASES, TEMPLATES = os.path.join(DATA, "atlases"), os.path.join(DATA, "templates")
CIFTI = os.path.join(SOURCE, "tests/reference/cifti")
BRAINS = {"MNI152NLin6Asym": f"{TEMPLATES}/MNI152NLin6Asym/MNI152_T1_2mm_Brain.nii.gz",
          "MNI152NLin2009cAsym": f"{TEMPLATES}/MNI152NLin2009cAsym/tpl-MNI152NLin2009cAsym_res-01_desc-brain_T1w.nii.gz"}


def table(path):
    with open(path, encoding="utf-8") as file:
        names = file.readline().rstrip("\n").split("\t")
        rows = [[np.nan if c == "n/a" else float(c) for c in line.rstrip("\n").split("\t")] for line in file]
    return names, np.array(rows)


def places(path, image, flip):
    """A series of three volumes: the x, y and z of every voxel in mm. flip: the same places, x stored the other way."""
    affine = image.affine.copy()
    if flip:
        affine[:, 3] += (image.shape[0] - 1) * affine[:, 0]
        affine[:, 0] *= -1
    points = np.indices(image.shape).reshape(3, -1).T @ affine[:3, :3].T + affine[:3, 3]
    nb.save(nb.Nifti1Image(points.reshape(*image.shape, 3).astype("f4"), affine), path)


def centres(image):
    labels = np.rint(np.asarray(image.dataobj)).astype(int)
    index = np.argwhere(labels > 0)
    label = labels[labels > 0]
    n = np.bincount(label)
    mm = index @ image.affine[:3, :3].T + image.affine[:3, 3]
    mean = np.stack([np.bincount(label, mm[:, a]) / np.maximum(n, 1) for a in range(3)], 1)
    return {int(v): mean[v] for v in np.flatnonzero(n)}, n


def label_table(image):
    folder, name = os.path.split(image)
    stem = name[:-7]
    for candidate in (f"{stem}_label.txt", f"{stem.replace('_2009cAsym', '')}_label.txt", f"{stem.split('_space-')[0].replace('-thr25', '')}.csv",
                      f"{stem.replace('_3T', '').split('_MNI152')[0]}_label.txt", f"{stem}.csv",
                      stem.replace("BrainnetomeAtlas_", "") + ".txt"):
        if os.path.exists(os.path.join(folder, candidate)):
            return os.path.join(folder, candidate)
    return None


def every_atlas(scratch):
    images = sorted(glob.glob(f"{ATLASES}/*/*.nii.gz"))
    n_tables = 0
    for path in images:
        image = nb.load(path)
        short = os.path.basename(path)
        expected, n = centres(image)
        names_of = label_table(path)
        n_tables += names_of is not None
        found = []
        for flip in (False, True):
            places(scratch.path("bold.nii"), image, flip)
            out = scratch.path("ts.tsv")
            _, text = run("stage", "extraction", scratch.path("bold.nii"), "--atlas", path, "--out", out, "--coverage",
                          scratch.path("cov.tsv"), *(["--labels", names_of] if names_of else []), expect=0)
            check(("not on the grid" in text) == flip, f"{short}: a warning exactly when the grids differ\n{text}")
            found.append(table(out))
        with open(scratch.path("cov.tsv"), encoding="utf-8") as file:
            index = [int(line.split("\t")[0]) for line in file.readlines()[1:]]
        check(len(index) >= len(expected) and set(expected) <= set(index),
              f"{short}: {len(index)} regions of {len(expected)} labels")
        for (names, values), side in zip(found, ("as stored", "mirrored")):
            check(len(names) == len(index) == len(set(names)), f"{short}: {len(names)} names, each once")
            for c, label in enumerate(index):
                if label in expected:
                    error = np.abs(values[:, c] - expected[label]).max()
                    check(error < 1e-3, f"{short} {side}: {names[c]} is {error} mm from its centre")
                else:
                    check(np.isnan(values[:, c]).all(), f"{short}: {names[c]} has no voxel and must be n/a")
        space = "MNI152NLin2009cAsym" if "2009cAsym" in short else "MNI152NLin6Asym"
        _, text = run("stage", "regions", path, "--set-space", space, "--target", BRAINS[space], "--target-space", space,
                      "--spacing-mm", 3, "--out", scratch.path("set"), *(["--labels", names_of] if names_of else []), expect=0)
        with open(scratch.path("set_dseg.tsv"), encoding="utf-8") as file:
            header, *rows = [line.rstrip("\n").split("\t") for line in file]
        split = "split at x = 0" in text
        column = {name: i for i, name in enumerate(header)}
        for row in rows:
            label, x = int(row[column["index"]]), float(row[column["x"]])
            if split:
                check((x < 0) == (label % 2 == 1) and row[column["name"]].endswith("_L" if x < 0 else "_R"),
                      f"{short}: {row[column['name']]} lies at x = {x}")
            elif n[label] * abs(np.linalg.det(image.affine)) > 500:
                at = np.array([float(row[column[a]]) for a in "xyz"])
                # Voxels of 3 mm: the centre of a region of 500 mm3 or more moves by less than one.
                check(np.linalg.norm(at - expected[label]) < 3, f"{short}: {row[column['name']]} at {at}, {expected[label]}")
        check(len(rows) >= (2 if split else 1) * 0.98 * len(expected) - 2, f"{short}: {len(rows)} regions of {len(expected)} labels")
    print(f"{len(images)} atlases, {n_tables} with a table: every region in its place, as stored and mirrored")
    check(len(images) > 50 and n_tables > 40, "expected the whole set")


def points_and_unions(scratch):
    image = nb.load(f"{ATLASES}/tian2020_subcortex/Tian_Subcortex_S1_3T.nii.gz")
    bold = scratch.path("bold.nii")
    places(bold, image, False)
    for name, n, radius in (("power_2011.csv", 264, 5), ("dosenbach_2010.csv", 160, 5),
                            ("seitzman_2018_ROIs_300inVol_MNI_allInfo.txt", 300, None)):
        path = f"{ATLASES}/coordinates/{name}"
        with open(path, encoding="utf-8") as file:
            rows = [line.replace(",", " ").split() for line in file.readlines()[1:]]
        first = 0 if name.startswith("seitzman") else 1
        seeds = np.array([[float(c) for c in row[first:first + 3]] for row in rows])
        run("stage", "extraction", bold, "--atlas", path, "--out", scratch.path("ts.tsv"),
            *(["--radius-mm", radius] if radius else []), expect=0)
        names, values = table(scratch.path("ts.tsv"))
        check(len(names) == len(set(names)) == n and values.shape == (3, n), f"{name}: {len(names)} names")
        # Spheres of 4 to 5 mm on a grid of 2 mm.
        error = np.abs(values.T - seeds).max()
        print(f"{name}: {n} spheres, at most {error:.2f} mm from their point")
        check(error < 0.8, f"{name}: {error} mm")
    code, text = run("stage", "extraction", bold, "--atlas", f"{ATLASES}/coordinates/power_2011.csv", "--out",
                     scratch.path("no.tsv"), "--radius-mm", 12, "--overlap", "refuse")
    check(code != 0 and "share a voxel" in text and not os.path.exists(scratch.path("no.tsv")), text)

    labels = f"{ATLASES}/tian2020_subcortex/Tian_Subcortex_S1_3T"
    run("stage", "extraction", bold, "--atlas", f"{labels}.nii.gz", f"{ATLASES}/coordinates/power_2011.csv", "--labels",
        f"{labels}_label.txt", "-", "--out", scratch.path("ts.tsv"), expect=0)
    names, values = table(scratch.path("ts.tsv"))
    check(len(names) == 280 and names[0] == "HIP-rh" and names[16] == "sphere-1", f"{names[:18]}")
    # Against the table of centres that comes with the atlas (peaks of integer millimetres).
    given = np.loadtxt(f"{labels}_COG.txt")
    check(np.abs(values[:, :16].T - given).max() < 6, "Tian's own centres")

    maps = np.zeros((*image.shape, 2), "f4")
    data = np.asarray(image.dataobj)
    maps[..., 0], maps[..., 1] = 0.75 * (data == 1) + 0.25 * (data == 2), data == 2
    nb.save(nb.Nifti1Image(maps, image.affine), scratch.path("maps.nii.gz"))
    x = np.asarray(nb.load(bold).dataobj, dtype=float).reshape(-1, 3)
    w = maps.reshape(-1, 2).astype(float)
    for statistic, expected in (("mean", (x.T @ w) / w.sum(0)), ("least_squares", np.linalg.lstsq(w, x, rcond=None)[0].T)):
        run("stage", "extraction", bold, "--atlas", scratch.path("maps.nii.gz"), "--statistic", statistic, "--out",
            scratch.path("ts.tsv"), expect=0)
        error = np.abs(table(scratch.path("ts.tsv"))[1] - expected).max()
        check(error < 1e-4, f"maps, {statistic}: {error}")


def statistics_of_a_real_run(scratch):
    path = f"{DATA}/small/rt-cloud/faces_run-01_10vols_bold.nii.gz"
    image = nb.load(path)
    x = np.asarray(image.dataobj, dtype=float)
    labels = (np.indices(image.shape[:3]) // np.array([16, 16, 9])[:, None, None, None]).T @ [1, 4, 16] + 1
    labels = labels.T.astype("i2")
    nb.save(nb.Nifti1Image(labels, image.affine), scratch.path("boxes.nii.gz"))
    for statistic in ("mean", "median", "eigenvariate"):
        outs = []
        for threads in ("1", "8"):
            out = scratch.path(f"{statistic}{threads}.tsv")
            run("stage", "extraction", path, "--atlas", scratch.path("boxes.nii.gz"), "--statistic", statistic, "--out", out,
                expect=0, env=os.environ | {"TBB_NUM_THREADS": threads})
            with open(out, "rb") as file:
                outs.append(file.read())
        check(outs[0] == outs[1], f"{statistic}: same bytes")
        ours, error = table(out)[1], 0
        for c, v in enumerate(np.unique(labels)):
            y = x[labels == v].T
            if statistic == "eigenvariate":
                u, s, vt = np.linalg.svd(y - y.mean(0), full_matrices=False)
                expected = u[:, 0] * s[0] / np.sqrt(y.shape[1]) * np.sign(vt[0].sum())
            else:
                expected = y.mean(1) if statistic == "mean" else np.median(y, 1)
            error = max(error, np.abs(ours[:, c] - expected).max() / np.abs(expected).max())
        print(f"{statistic} of {len(np.unique(labels))} boxes of a real run: {error:.1e} from numpy")
        check(error < 1e-5, f"{statistic}: {error}")


def cifti(scratch):
    out, coverage = scratch.path("ts.tsv"), scratch.path("cov.tsv")
    _, text = run("stage", "extraction", f"{CIFTI}/series.dtseries.nii", "--atlas", f"{CIFTI}/atlas.dlabel.nii", "--out", out,
                  "--coverage", coverage, expect=0)
    check("ACCUMBENS_LEFT" in text and "nowhere" in text, text)
    (names, ours), (expected_names, expected) = table(out), table(f"{CIFTI}/means.tsv")
    check(names == expected_names and np.allclose(ours, expected, atol=1e-4, equal_nan=True), "means of grayordinates")
    run("stage", "extraction", f"{CIFTI}/series.dtseries.nii", "--atlas", f"{CIFTI}/atlas.dlabel.nii", "--map", 2, "--out", out,
        expect=0)
    check(table(out)[0] == ["all"], "the second map")
    run("stage", "extraction", f"{CIFTI}/parcels.ptseries.nii", "--out", out, expect=0)
    names, ours = table(out)
    check(names == [f"P{i}" for i in range(5)] and np.array_equal(ours, np.arange(60).reshape(12, 5) + 0.25), "parcels")
    for arguments, part in (([f"{CIFTI}/series.dtseries.nii"], "expected one --atlas"),
                            ([f"{CIFTI}/series.dtseries.nii", "--atlas", f"{CIFTI}/atlas.dlabel.nii", "--map", "3"], "map 3 of 2"),
                            ([f"{CIFTI}/parcels.ptseries.nii", "--atlas", f"{CIFTI}/atlas.dlabel.nii"], "as they are")):
        code, text = run("stage", "extraction", *arguments, "--out", scratch.path("no.tsv"))
        check(code != 0 and part in text, f"{arguments}: {code} {text}")


with Scratch() as scratch:
    cifti(scratch)
    if not os.path.isdir(ATLASES):
        print(f"skipped: no atlases in {DATA}")
        sys.exit(77)
    statistics_of_a_real_run(scratch)
    points_and_unions(scratch)
    every_atlas(scratch)
