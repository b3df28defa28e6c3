"""Trees of fMRIPrep 1.0 to 26.0 as each lays them out, through the program: series and confounds are those that were put in, what
is missing is named."""
import json
import os
import shutil

import nibabel as nb
import numpy as np
from fmriprep_tree import TR, VERSIONS, atlas_name, means, names_of, shard, tree, write_atlas
from support import FAST, Scratch, check, run

nb.openers.Opener.default_compresslevel = 1
N, DUMMIES = 90, 2
OPTIONS = ["--progress", "none", *FAST, "target.atlases=file", "gates.max_fd_share=1"]


def every_generation(scratch, atlas):
    for generation in VERSIONS:
        folder, out = scratch.path("tree" + generation), scratch.path("out" + generation)
        root, made = tree(folder, generation, 2, N, DUMMIES)
        run(folder, out, "participant", "--path", f"atlas={atlas}", *OPTIONS, expect=0)
        data, columns = made["sub-01"]
        with shard(out) as f:
            run_id = "sub-01_task-rest"
            check([r.decode() for r in f["runs/run_id"]] == [run_id], f"{generation}: runs {f['runs/run_id'][()]}")
            check(f["runs/tr_s"][0] == TR and f["runs/n_volumes"][0] == N, "repetition time and volumes")
            ours = f[f"timeseries/{atlas_name(f)}/{run_id}/series"][:, :4]
            error = np.abs(ours - means(data.astype(float))).max()
            check(error < 1e-3, f"{generation}: series differ by {error} of 1000")  # float32
            names = [s.decode() for s in f[f"confounds/{run_id}/confound"]]
            values = f[f"confounds/{run_id}/values"][()]
            given = [n for n in columns if n in names]
            check(len(given) >= (25 if generation == "1.0" else len(columns)), f"{generation}: columns {names}")
            for n in given:
                check(np.allclose(values[:, names.index(n)], columns[n], rtol=1e-12, atol=1e-12, equal_nan=True), f"{generation}: {n}")
            kept = f[f"timeseries/{atlas_name(f)}/{run_id}/kept"][()]
            check(not kept[:DUMMIES].any() and kept[DUMMIES:].sum() > N / 2, f"{generation}: dummies")
            says = json.loads(f[f"confounds/{run_id}/metadata"][()]) if "metadata" in f[f"confounds/{run_id}"] else {}
            if generation not in ("1.0", "1.5"):
                check(says["w_comp_cor_01"]["Mask"] == "WM" and says["a_comp_cor_00"]["SingularValue"] == 12.5 and
                      "dropped_0" not in says, f"{generation}: {says}")
                with open(f"{out}/sub-01/func/{run_id}_desc-confounds_timeseries.json", encoding="utf-8") as file:
                    check(json.load(file)["t_comp_cor_00"]["VarianceExplained"] == 0.125, "the sidecar is written again")
            check(f["runs/dof_left"][0] > 30 and f["quality/num_dummy_volumes"][0] == DUMMIES, "quality")
            print(f"fMRIPrep {VERSIONS[generation][0]}: {len(names)} confounds, series within {error:.0e}, "
                  f"{f['runs/status'][0].decode()}")
        # The same without each of the pieces: named.
        for piece, word in ((0, "no preprocessed"), (1, "no brain mask"), (3, "no confounds")):
            path = names_of(generation, f"{root}/sub-02/func/sub-02_task-rest")[piece]
            os.rename(path, path + ".away")
            text = run(folder, scratch.path("gone"), "participant", "--path", f"atlas={atlas}", *OPTIONS)[1]
            # Without its series the run is not in a dataset of derivatives; the participant is.
            check(word in text and "sub-02" in text, f"{generation}: no \"{word}\" in\n{text}")
            os.rename(path + ".away", path)
            shutil.rmtree(scratch.path("gone"), ignore_errors=True)
        shutil.rmtree(folder)


with Scratch() as scratch:
    os.makedirs(scratch.path("atlas"))
    every_generation(scratch, write_atlas(scratch.path("atlas")))
print("ok")
