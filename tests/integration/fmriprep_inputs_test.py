"""Preprocessed runs through the program: strategies and custom columns, dense series, refusals for degrees of freedom, and everything that
can be wrong with a run. A clear message, the run marked, the cohort goes on."""
import json
import os
import shutil

import h5py
import nibabel as nb
import numpy as np
from fmriprep_tree import (MOTION, TR, add_run, atlas_name, brain_mask, confounds_of, means, names_of, parcels, reasons, save,
                           series_of, shard, tree, write_atlas)
from support import FAST, Scratch, check, run

nb.openers.Opener.default_compresslevel = 1
N, DUMMIES = 90, 2
OPTIONS = ["--progress", "none", *FAST, "target.atlases=file", "gates.max_fd_share=1"]


def strategies(scratch, atlas, root, columns):
    """Each strategy of the configuration removes as many columns as it should; patterns, task regressors."""
    available = list(columns)
    plus = lambda bases: sum(([b, b + "_derivative1", b + "_power2", b + "_derivative1_power2"] for b in bases), [])
    cosines = [c for c in available if c.startswith("cosine")]
    tissue = ["global_signal", "csf", "white_matter"]
    expected = {"24P": len(plus(MOTION)), "27P": len(plus(MOTION)) + 3, "36P": len(plus(MOTION + tissue)), "gsr_only": 1, "none": 0,
                "circuit": 14, "acompcor": 12 + 10 + len(cosines), "acompcor_gsr": 13 + 10 + len(cosines), "aroma": 4, "aroma_gsr": 5,
                "custom": 6 + 3 + 1}
    for strategy, n in expected.items():
        out = scratch.path("strategy_" + strategy)
        custom = "nuisance_regression.columns=trans_x,trans_y,trans_z,rot_x,rot_y,rot_z,t_comp_cor_*,task_faces"
        more = [custom] if strategy == "custom" else []
        run(root, out, "participant", "--participant-label", "01", "--path", f"atlas={atlas}", *OPTIONS,
            f"nuisance_regression.strategy={strategy}", "nuisance_regression.high_pass_hz=0", "nuisance_regression.fd_threshold_mm=0",
            *more, expect=0)
        with shard(out) as f:
            dof = int(f["runs/dof_left"][0])
            check(dof == 120 - 2 - n, f"{strategy}: {dof} degrees of freedom, expected {118 - n}")
            # What is left is orthogonal to what was removed.
            left = f[f"timeseries/{atlas_name(f)}/sub-01_task-rest/denoised"][:, :4].astype(float)
            if strategy in ("24P", "36P", "circuit"):
                x = np.nan_to_num(columns["trans_x_derivative1"])
                r = np.abs(np.corrcoef(np.c_[left, x].T)[4, :4]).max()
                check(r < 1e-4, f"{strategy}: correlation {r} with a column that was removed")
    print("strategies:", expected)


def dense_series(scratch):
    """CIFTI: the labels of a .dlabel.nii on the dense series that fMRIPrep and HCP write; by stages and in the pipeline."""
    from nibabel import cifti2
    root, made = tree(scratch.path("dense"), "25.2", 2, N, DUMMIES)
    thalamus = np.zeros((9, 9, 9), bool)
    thalamus[3:6, 3:6, 3:6] = True
    models = (cifti2.BrainModelAxis.from_surface(np.arange(10, 60), 100, name="CORTEX_LEFT") +
              cifti2.BrainModelAxis.from_surface(np.arange(0, 40), 100, name="CORTEX_RIGHT") +
              cifti2.BrainModelAxis.from_mask(thalamus, affine=np.diag([2, 2, 2, 1]), name="thalamus_left"))
    key = np.r_[np.repeat([1, 2], 25), np.repeat([3, 4], 20), np.full(27, 5)]
    names = {0: ("???", (0, 0, 0, 0))} | {k: (f"label {k}", (1, 0, 0, 1)) for k in range(1, 6)}
    atlas = scratch.path("boxes.dlabel.nii")
    nb.save(cifti2.Cifti2Image(key[None].astype("f4"), (cifti2.LabelAxis(["boxes"], [names]), models)), atlas)
    expected = {}
    for p, sub in enumerate(made):
        rng = np.random.default_rng([8, p])
        data = 1000 + 10 * rng.standard_normal((N, 5))[:, key - 1] + rng.standard_normal((N, key.size))
        data[:, key == 4] = 0  # outside the field of view
        stem = f"{root}/{sub}/func/{sub}_task-rest_space-fsLR_den-91k_bold"
        nb.save(cifti2.Cifti2Image(data.astype("f4"), (cifti2.SeriesAxis(0, TR, N), models)), stem + ".dtseries.nii")
        with open(stem + ".json", "w", encoding="utf-8") as file:
            json.dump({"RepetitionTime": TR}, file)
        expected[sub] = np.stack([data[:, key == k].mean(1) if k != 4 else np.full(N, np.nan) for k in range(1, 6)], 1)
    settings = ["--file-format", "cifti", "--path", f"atlas={atlas}", *OPTIONS, "nuisance_regression.fd_threshold_mm=0"]
    out = scratch.path("dense_out")
    run(root, out, "all", *settings, expect=0)
    with h5py.File(f"{out}/cohort.h5") as f:
        name = atlas_name(f)
        for sub, series in expected.items():
            ours = f[f"timeseries/{name}/{sub}_task-rest/series"][()]
            check(np.allclose(ours, series, rtol=1e-6, equal_nan=True), f"{sub}: labels of grayordinates")
        clean = f[f"timeseries/{name}/sub-01_task-rest/denoised"][DUMMIES:, [0, 1, 2, 4]].astype(float)
        edges = f[f"connectivity/rest/{name}/correlation"][0]
        a, b = f[f"connectivity/rest/{name}/edge_a"][()], f[f"connectivity/rest/{name}/edge_b"][()]
        there = (a != 3) & (b != 3)
        check(np.allclose(edges[there], np.corrcoef(clean.T)[np.triu_indices(4, 1)], atol=1e-5) and np.isnan(edges[~there]).all(),
              "their correlations")
        check(np.isnan(f["circuits/measures"][()]).all() and "connectivity/rest/circuits" not in f, "circuits are volumes")
        print(f"CIFTI: {[s.decode() for s in f[f'atlases/{name}/label']]}; {f['runs/reason'][0].decode()[:200]}")
    code, text = run(root, out, "all", "--file-format", "cifti", *OPTIONS)
    check(code == 2 and "expected [\"file\"] and --path atlas=FILE.dlabel.nii" in text, text)
    os.remove(f"{root}/sub-01/func/sub-01_task-rest_space-fsLR_den-91k_bold.dtseries.nii")
    run(root, scratch.path("dense_gone"), "participant", *settings, expect=1)
    check("no dense series" in reasons(scratch.path("dense_gone"))[1], f"{reasons(scratch.path('dense_gone'))}")

    # The same by stages: parcellate, denoise, correlate.
    run("stage", "extraction", f"{root}/sub-02/func/sub-02_task-rest_space-fsLR_den-91k_bold.dtseries.nii", "--atlas", atlas, "--out",
        scratch.path("ts.tsv"), expect=0)
    run("stage", "denoise", scratch.path("ts.tsv"), "--confounds", names_of("25.2", f"{root}/sub-02/func/sub-02_task-rest")[3], "--tr", TR,
        "--dummy-scans", DUMMIES, "--fd-threshold-mm", 0, "--strategy", "circuit", "--min-dof", 10, "--out", scratch.path("clean.tsv"), expect=0)
    run("stage", "connectivity", scratch.path("clean.tsv"), "--kind", "correlation", "--out", scratch.path("m.tsv"), expect=0)
    header, rows = table_of(scratch.path("m.tsv"))
    with h5py.File(f"{out}/cohort.h5") as f:
        r = f[f"connectivity/rest/{name}/correlation"][1, 0]
    check(header[1:] == [f"label {k}" for k in range(1, 6)] and abs(float(rows[0][2]) - r) < 1e-5, f"{rows[0]}, {r}")


def refused_by_degrees_of_freedom(scratch, atlas):
    """36P with the band 0.01 to 0.08 Hz on 300 s leaves 6 degrees of freedom, whatever the filter; 42 and 36P less."""
    folder = scratch.path("five_minutes")
    root, _ = tree(folder, "25.2", 1, 150)
    band = ["nuisance_regression.high_pass_hz=0.01", "nuisance_regression.low_pass_hz=0.08", "nuisance_regression.fd_threshold_mm=0",
            "nuisance_regression.min_dof=30"]
    for filter_name in ("cosine", "butterworth", "fourier"):
        out = scratch.path("band_" + filter_name)
        run(root, out, "participant", "--path", f"atlas={atlas}", *OPTIONS, *band, "nuisance_regression.strategy=36P",
            f"nuisance_regression.filter={filter_name}", expect=1)
        status, reason = reasons(out)
        check(status == "excluded" and "degrees of freedom" in reason and "30" in reason, f"{filter_name}: {status} {reason}")
        print(f"36P and a band over 300 s, {filter_name}: {reason}")
        out = scratch.path("plain_" + filter_name)
        run(root, out, "participant", "--path", f"atlas={atlas}", *OPTIONS, *band, "nuisance_regression.strategy=none",
            f"nuisance_regression.filter={filter_name}", expect=0)
        status, reason = reasons(out)
        with shard(out) as f:
            dof = f["runs/dof_left"][0]
        check(status == "warning" and "degrees of freedom" in reason, f"below 60 there is a warning: {status} {reason}")
        print(f"  no confounds: {dof:.0f} left, {reason}")
        check(38 <= dof <= 42, f"{filter_name}: {dof}")


class Broken:
    """One change to sub-01; sub-02 is left alone."""

    def __init__(self, scratch, atlas):
        self.scratch, self.atlas, self.folder = scratch, atlas, scratch.path("sound")
        self.root, self.made = tree(self.folder, "25.2", 2, N)

    def __call__(self, name, change, word, *settings, status="failed", code=1, options=()):
        folder, out = self.scratch.path("broken"), self.scratch.path("out_" + name)
        shutil.copytree(self.folder, folder)
        names = names_of("25.2", f"{folder}/sub-01/func/sub-01_task-rest")
        change(names)
        run(folder, out, "participant", *(options or ["--path", f"atlas={self.atlas}"]), *OPTIONS, *settings, expect=code)
        found = reasons(out)
        check(found[0] == status and all(w in found[1] for w in word), f"{name}: {found}, expected {status} with {word}")
        check(self.scratch.folder not in found[1], f"{name}: a path of this machine: {found[1]}")
        if status in ("failed", "excluded") and "fd_threshold" not in str(settings) and "columns" not in str(settings):
            other = reasons(out, "sub-02")
            check(other[0] in ("ok", "warning"), f"{name}: sub-02 is {other}")
        print(f"{name}: {found[0]}, {found[1][:230]}")
        shutil.rmtree(folder)
        return out


def table_of(path):
    with open(path, encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file]
    return rows[0], rows[1:]


def of_table(body):
    def change(names):
        header, rows = body(*table_of(names[3]))
        with open(names[3], "w", encoding="utf-8") as file:
            file.write("\n".join("\t".join(r) for r in [header, *rows]) + "\n")
    return change


def of_series(body):
    def change(names):
        image = nb.load(names[0])
        save(names[0], body(np.asarray(image.dataobj).copy()), "f4", tr=TR)
    return change


def what_can_be_wrong(scratch, atlas):
    broken = Broken(scratch, atlas)
    keep = lambda names: None

    def without(column):
        return of_table(lambda header, rows: ([h for h in header if h != column],
                                              [[v for h, v in zip(header, r) if h != column] for r in rows]))

    def filled(column, value, rows_too=None):
        return of_table(lambda header, rows: (header, [[value if h == column and (rows_too is None or t in rows_too) else v
                                                        for h, v in zip(header, r)] for t, r in enumerate(rows)]))

    broken("no_column", without("csf"), ["csf"], status="excluded")
    broken("longer_table", of_table(lambda h, r: (h, r + r[-3:])), ["93 rows", "expected 90"])
    broken("shorter_table", of_table(lambda h, r: (h, r[:-3])), ["87 rows", "expected 90"])
    broken("column_of_na", filled("csf", "n/a"), ["csf"], status="excluded")
    broken("column_of_nan", filled("csf", "NaN"), ["csf"], status="excluded")
    broken("table_of_na", of_table(lambda h, r: (h, [["n/a"] * len(h) for _ in r])), ["trans_x"], status="excluded")
    broken("two_volumes", lambda names: (of_series(lambda x: x[..., :2])(names), of_table(lambda h, r: (h, r[:2]))(names)),
           ["2"], status="excluded")
    broken("one_volume", lambda names: (of_series(lambda x: x[..., :1])(names), of_table(lambda h, r: (h, r[:1]))(names)),
           ["found 1 volume", "expected a 4-D series"])
    broken("other_mask_grid", lambda names: save(names[1], brain_mask()[:-1], "u1"), ["its grid differs"])
    shifted = nb.load(atlas).affine.copy()
    shifted[0, 3] += 8
    broken("moved_mask", lambda names: save(names[1], brain_mask(), "u1", shifted), ["its grid differs"])
    broken("all_censored", filled("framewise_displacement", "9"), ["no volume of 90 is kept"], status="excluded")
    broken("more_regressors_than_volumes", keep, ["degrees of freedom"],
                 "nuisance_regression.strategy=custom", "nuisance_regression.columns=*", "nuisance_regression.high_pass_hz=0.008",
                 "input.dummy_scans=40", status="excluded")

    # Constant voxels and a constant region: that region is missing, the others are what they were.
    labels = parcels()

    def constant(x):
        x[labels == 3] = 700
        x[tuple(np.argwhere(labels == 1)[5])] = 700
        return x
    constant_region(scratch, broken, constant)

    def some_nan(x):
        x[tuple(np.argwhere(labels == 1)[7])][10:20] = np.nan
        x[labels == 4] = np.inf
        return x
    other_region(scratch, broken, some_nan)
    parcels_without_voxels(scratch, broken)
    atlas_elsewhere(scratch, broken)
    sessions_of_different_tr(scratch, atlas)


def changed(scratch, broken, name, change):
    folder, out = scratch.path("changed"), scratch.path("out_" + name)
    shutil.copytree(broken.folder, folder)
    change(names_of("25.2", f"{folder}/sub-01/func/sub-01_task-rest"))
    code, text = run(folder, out, "participant", "--path", f"atlas={broken.atlas}", *OPTIONS)
    shutil.rmtree(folder)
    return code, text, out


def constant_region(scratch, broken, constant):
    code, text, out = changed(scratch, broken, "constant", of_series(constant))
    check(code == 0, text)
    with shard(out) as f:
        name = atlas_name(f)
        series = f[f"timeseries/{name}/sub-01_task-rest/series"][()]
        clean = f[f"timeseries/{name}/sub-01_task-rest/denoised"][()]
        check(np.allclose(series[:, 2], 700) and np.isnan(clean[:, 2]).all(), "a constant region has no denoised series")
        kept = f[f"timeseries/{name}/sub-01_task-rest/kept"][()] == 1
        check(np.isfinite(clean[kept][:, [0, 1, 3]]).all(), "the others have one")
        edges = f[f"connectivity/rest/{name}/correlation"][0]
        pairs = list(zip(f[f"connectivity/rest/{name}/edge_a"], f[f"connectivity/rest/{name}/edge_b"]))
        for (a, b), r in zip(pairs, edges):
            check(np.isnan(r) == (2 in (a, b) or 4 in (a, b)), f"edge {a}-{b}: {r}")
    print("constant region: missing, never zero")


def other_region(scratch, broken, some_nan):
    code, text, out = changed(scratch, broken, "nan", of_series(some_nan))
    check(code == 0, text)
    status, reason = reasons(out)
    check("NaN or infinite" in reason, reason)
    data = broken.made["sub-01"][0].astype(float)
    with shard(out) as f:
        series = f[f"timeseries/{atlas_name(f)}/sub-01_task-rest/series"][()]
    check(np.isnan(series[:, 3]).all() and np.abs(series[:, 1] - means(data)[:, 1]).max() < 1e-3, "NaN stays where it is")
    print(f"voxels that are not finite: {reason}")


def parcels_without_voxels(scratch, broken):
    out = scratch.path("out_empty_parcels")
    run(broken.folder, out, "participant", "--path", f"atlas={broken.atlas}", *OPTIONS, expect=0)
    with shard(out) as f:
        name = atlas_name(f)
        labels = [s.decode() for s in f[f"atlases/{name}/label"]]
        says = f[f"atlases/{name}"].attrs["description"]
        series = f[f"timeseries/{name}/sub-01_task-rest/series"][()]
        coverage = f[f"timeseries/{name}/sub-01_task-rest/coverage"][()]
        check("box-5" not in labels and "1 rows of the table have no voxel" in says, f"{labels}: {says}")
        check(labels[-1] == "box-6" and coverage[-1] == 0 and np.isnan(series[:, -1]).all(), "outside the brain it is missing")
    print(f"parcels without voxels: {says[:150]}")


def atlas_elsewhere(scratch, broken):
    """An atlas that says it is in another space is carried by a warp or refused, never laid over as it is."""
    other = scratch.path("atlas-Boxes_space-MNIInfant_dseg.nii.gz")
    shutil.copy(broken.atlas, other)
    code, text = run(broken.folder, scratch.path("out_infant"), "participant", "--path", f"atlas={other}", *OPTIONS)
    check(code == 2 and "MNIInfant" in text, f"{code}: {text}")
    print("atlas in a space that is not there:", text.strip().splitlines()[-1][:200])
    # Preprocessed images that are not in the space they say.
    def moved(names):
        for path in names[:2]:
            image = nb.load(path)
            affine = image.affine.copy()
            affine[:3, 3] += (0, 90, 60)
            save(path, np.asarray(image.dataobj), image.get_data_dtype(), affine, TR if image.ndim == 4 else None)
    broken("elsewhere", moved, ["is it in the space"])


def sessions_of_different_tr(scratch, atlas):
    folder = scratch.path("two_tr")
    root, _ = tree(folder, "25.2", 0)
    rng = np.random.default_rng(3)
    for session, tr in (("ses-a", 2.0), ("ses-b", 0.8)):
        add_run(root, "sub-01", "25.2", series_of(rng, N), confounds_of(rng, N), tr=tr, session=session)
    # Two runs of one session, too.
    add_run(root, "sub-01", "25.2", series_of(rng, N), confounds_of(rng, N), tr=1.0, session="ses-b", run="run-2")
    out = scratch.path("out_two_tr")
    code, text = run(root, out, "participant", "--path", f"atlas={atlas}", *OPTIONS)
    check(code == 0, text)
    for session, expected in (("ses-a", [2.0]), ("ses-b", [0.8, 1.0])):
        with h5py.File(f"{out}/sub-01/{session}/sub-01_{session}.h5") as f:
            check(sorted(f["runs/tr_s"][()]) == expected, f"{session}: {f['runs/tr_s'][()]}")
            said = " ".join(r.decode() for r in f["runs/reason"])
            check(("repetition times" in said) == (len(expected) == 2), f"{session}: {said}")
            print(f"{session}, repetition times {expected}: {said}")


def inputs(scratch, atlas):
    folder = scratch.path("strategies")
    root, made = tree(folder, "25.2", 1, 120)
    table = names_of("25.2", f"{root}/sub-01/func/sub-01_task-rest")[3]
    header, rows = table_of(table)
    faces = np.convolve(np.arange(120) % 20 < 8, np.ones(3) / 3)[:120]
    rng = np.random.default_rng(9)
    for name, values in (("task_faces", faces), ("aroma_orth_motion_00", rng.random(120)), ("aroma_orth_motion_01", rng.random(120))):
        header.append(name)
        for row, value in zip(rows, values):
            row.append(repr(float(value)))
    with open(table, "w", encoding="utf-8") as file:
        file.write("\n".join("\t".join(r) for r in [header, *rows]) + "\n")
    strategies(scratch, atlas, root, made["sub-01"][1])
    dense_series(scratch)
    refused_by_degrees_of_freedom(scratch, atlas)
    what_can_be_wrong(scratch, atlas)


with Scratch() as scratch:
    os.makedirs(scratch.path("atlas"))
    inputs(scratch, write_atlas(scratch.path("atlas")))
print("ok")
