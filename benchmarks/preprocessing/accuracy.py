"""Rows about accuracy and agreement. Each prints a line of the table, or a table of its own below it."""
import os
import subprocess

import numpy as np
from common import COLIN, HERE, row, timed

import distortions
import interpolating
import truth
import warping

SITES = 3  # each with its own grid, slice order, phase polarity and readout


def motion(s):
    bids = s.simulated("bids", 1, "--size", "real", "--sites", 1)
    errors = truth.motion_errors(s.o.program, bids, "sub-001", s.o.folder)
    row("head motion of a person of usual size (simulator's truth)",
        f"median {np.median(errors):.4f} mm, 95th percentile {np.quantile(errors, .95):.4f} mm", "<= 0.02, <= 0.05")
    bold = s.forrest()[1]
    if bold is None:
        return
    python = s.rivals_python()
    command = [python or "/usr/bin/python3", f"{HERE}/known_motion.py", s.o.program, bold]
    text = timed(command + (["--ants", 12] if python else []))[3].strip()
    row("known motion on real volumes (studyforrest)", text.replace("\n", "; "), "<= 0.02, <= 0.05, not worse than ANTs")


def distortion(s):
    people = max(3, min(s.o.people, 12))
    bids = s.simulated("distorted", people, "--size", "tiny", "--sites", SITES, "--volumes", 40)

    for method in distortions.METHODS:
        found = [distortions.residual(s, bids, f"sub-{p + 1:03d}", method, seed=p) for p in range(people)]
        distortions.report(method, found)



def warps(s):
    if not os.path.exists(COLIN):
        print(f"\nno {COLIN}: the simulator's anatomy is not here, warps were left out", flush=True)
        return
    bids = s.simulated("warps", 3, "--size", "real", "--sites", 1, "--volumes", 5)
    errors = [warping.errors(s, bids, f"sub-{p:03d}") for p in (1, 2, 3)]
    before, after = (np.concatenate([e[k] for e in errors]) for k in ("affine", "warp"))
    row("simulated warps of three people (1 mm T1w to the simulator's anatomy, in the brain)",
        f"median {np.median(after):.2f} mm, 95th percentile {np.quantile(after, .95):.2f} mm (affine alone "
        f"{np.median(before):.2f} and {np.quantile(before, .95):.2f}); per person "
        + ", ".join(f"{np.median(e['warp']):.2f}" for e in errors)
        + f"; smallest Jacobian {min(e['jacobian'] for e in errors):.2f}", "median <= 1 mm, no folding")


def interpolation(s):
    ours, spline = interpolating.phantom_errors(s)
    row("interpolation of an analytic phantom through known motion, RMS error",
        f"{ours:.5f} of the range, scipy's cubic B-spline {spline:.5f}", "not above scipy's")
    bold = s.forrest()[1]
    if bold is not None:
        ratios = interpolating.width_ratios(s, bold)
        row("width of the noise after resampling a real run, same estimator (x, y, z)",
            ", ".join(f"{r:.4f}" for r in ratios) + " times scipy's", "0.98 to 1.02")


def affine(s):
    for name, pattern in warping.REAL.items():
        raw = s.real(pattern)
        if raw is None:
            print(f"\nno {pattern}: left out", flush=True)
            continue
        t1w, mask = s.corrected(raw, name)
        warping.affine_table(s, name, t1w, mask)


def normalisation(s):
    rows = []
    for name, pattern in warping.REAL.items():
        raw = s.real(pattern)
        if raw is None:
            print(f"\nno {pattern}: left out", flush=True)
            continue
        rows.append(warping.normalisation_pair(s, name, *s.corrected(raw, name)))
    warping.normalisation_report(s, rows)


def faults(s):
    if s.o.people == 0:
        print("\nfaults: give --people N", flush=True)
        return
    people = s.simulated("people", s.o.people, "--size", "tiny", "--sites", 1)
    print("\n" + timed([s.o.robustness, people, s.template, s.o.people])[3], flush=True)
