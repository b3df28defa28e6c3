"""agree.py PROGRAM DESIGN_REFERENCE: boldmill's designs and models of one run beside nilearn's, SPM's formulas and statsmodels.

PROGRAM is boldmill, DESIGN_REFERENCE the folder of tests/reference/task (for its evaluation of SPM's formulas).
"""
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import pandas as pd
import statsmodels.api as sm
from nilearn.glm.contrasts import compute_contrast
from nilearn.glm.first_level import make_first_level_design_matrix, run_glm

warnings.simplefilter("ignore")
program, reference = sys.argv[1:]
spec = importlib.util.spec_from_file_location("make", os.path.join(reference, "make.py"))
formulas = importlib.util.module_from_spec(spec)
spec.loader.exec_module(formulas)
EVENTS = formulas.EVENTS
failed = False


def row(what, found, target):
    global failed
    failed |= not found <= target
    print(f"| {what} | {found:.1e} | <= {target:.0e} |{'' if found <= target else ' MISSED'}")


def ours(folder, y, tr, options):
    """Design and contrasts of `boldmill stage glm` on a table of regions."""
    columns = [f"r{i}" for i in range(y.shape[1])]
    pd.DataFrame(y, columns=columns).to_csv(f"{folder}/y.tsv", sep="\t", index=False, float_format="%.9g")
    EVENTS.to_csv(f"{folder}/events.tsv", sep="\t", index=False)
    with open(f"{folder}/contrasts.json", "w") as f:
        json.dump({"difference": "fear - neutral", "press": "press", "either": ["fear - neutral", "press"]}, f)
    subprocess.run([program, "stage", "glm", f"{folder}/y.tsv", "--events", f"{folder}/events.tsv", "--contrasts",
                    f"{folder}/contrasts.json", "--tr", str(tr), "--out", f"{folder}/out", *options], check=True,
                   capture_output=True)
    design = pd.read_csv(f"{folder}/out/design.tsv", sep="\t").to_numpy()
    table = pd.read_csv(f"{folder}/out/contrasts.tsv", sep="\t")
    return design, {name: part.set_index("region").loc[columns] for name, part in table.groupby("contrast")}


print("| what | largest difference | target |\n| --- | --- | --- |")
with tempfile.TemporaryDirectory() as folder:
    for tr, t, model in ((2.0, 150, "glover"), (0.7, 429, "spm + derivative + dispersion"), (2.5, 120, "spm")):
        frames = np.arange(t) * tr + 0.5 * tr
        theirs = make_first_level_design_matrix(frames, EVENTS.drop(columns="rating"), hrf_model=model, high_pass=1 / 128).to_numpy()
        noise = formulas.series(t, 4)
        design, _ = ours(folder, noise, tr, ["--variant", "nilearn", "--hrf", model.replace(" ", ""), "--slice-time-ref", "0.5"])
        row(f"design, variant nilearn, {model}, TR {tr} s", np.abs(design - theirs).max(), 1e-6)
    # SPM's grid begins two repetition times before the run: no event before that.
    inside = EVENTS[EVENTS.onset >= 0]
    for tr, t in ((2.0, 150), (0.7, 429), (2.5, 120)):
        formulas.EVENTS = EVENTS = inside
        theirs = formulas.spm_design(t, tr, 8, 1)
        design, _ = ours(folder, formulas.series(t, 4), tr, ["--variant", "spm", "--reference-bin", "8"])
        row(f"design, variant spm, TR {tr} s", np.abs(design - theirs).max(), 1e-6)
    t, tr = 150, 2.0
    y = formulas.series(t, 24).astype(float)
    for noise, target in (("ols", 1e-5), ("ar1", 1e-3)):
        x, found = ours(folder, y, tr, ["--variant", "spm", "--noise", noise])
        names = pd.read_csv(f"{folder}/out/design.tsv", sep="\t").columns
        weights = {"difference": np.array([(n == "fear") - 1.0 * (n == "neutral") for n in names]), "press": np.array([1.0 * (n == "press") for n in names])}
        weights["either"] = np.vstack([weights["difference"], weights["press"]])
        labels, results = run_glm(y, x, noise_model=noise, n_jobs=1)
        for name, w in weights.items():
            theirs = compute_contrast(labels, results, w)
            mine = found[name]
            if name != "either":
                row(f"{noise}, {name}: effect beside nilearn, relative", np.max(np.abs(mine.effect - theirs.effect) / np.abs(theirs.effect).max()), 1e-5)
                row(f"{noise}, {name}: variance beside nilearn, relative", np.max(np.abs(mine.variance / theirs.variance - 1)), 1e-5)
            row(f"{noise}, {name}: {'F' if name == 'either' else 't'} beside nilearn", np.max(np.abs(mine.stat - theirs.stat())), target)
        if noise == "ols":
            fits = [sm.OLS(y[:, v], x).fit() for v in range(y.shape[1])]
            tests = [fit.t_test(weights["difference"]) for fit in fits]
            effect, t_value = (np.array([getattr(k, a).item() for k in tests]) for a in ("effect", "tvalue"))
            row("ols, effect beside statsmodels, relative", np.max(np.abs(found["difference"].effect - effect) / np.abs(effect).max()), 1e-5)
            row("ols, t beside statsmodels", np.max(np.abs(found["difference"].stat - t_value)), 1e-5)
sys.exit(1 if failed else 0)
