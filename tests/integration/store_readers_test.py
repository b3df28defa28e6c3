"""Every group of a cohort file and of a shard through one reader of another language.

store_readers_test.py STORE_EXAMPLE {netcdf4,h5netcdf,h5py,ncdump,ncdf4}

The files come from store_example. Exit code 77: the reader is not installed.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SKIP = 77
RUN = "sub-0001_ses-a_task-rest_run-1"
SERIES = f"/timeseries/circuits/{RUN}"
FLAGS = {f"{SERIES}:kept", f"/confounds/{RUN}:kept", "/circuits:imputed"}
DIMENSIONS = {
    "/participants:participant_id": ("row",),
    "/participants:weird__b____": ("row",),
    "/runs:row": ("run",),
    "/runs:run_id": ("run",),
    "/atlases/circuits:label": ("region",),
    f"{SERIES}:series": ("time", "region"),
    f"{SERIES}:denoised": ("time", "region"),
    f"{SERIES}:kept": ("time",),
    f"/confounds/{RUN}:values": ("time", "confound"),
    "/connectivity/rest/circuits:fisher_z": ("row", "edge"),
    "/connectivity/rest/circuits:edge_a": ("edge",),
    "/regional/rest/circuits:alff": ("row", "region"),
    "/regional/rest/circuits:modularity_q": ("row",),
    "/circuits:measures": ("row", "measure"),
    "/circuits:missing_reason": ("row", "measure"),
    "/provenance/inputs:sha256": ("input",),
    "/provenance/stages:key": ("stage",),
    "/provenance/resources:wall_s": ("use",),
}
COHORT_DIMENSIONS = {
    "/circuits:features": ("row", "feature"),
    "/circuits:scores_coverage": ("row", "score"),
    "/circuits/reference:mean": ("measure",),
    "/cohort/predictions/age__b_/elastic_net/leave_site_out:fold": ("repeat", "row"),
    "/cohort/predictions/group/logistic/k_fold:set": ("row", "class"),
    "/cohort/predictions/group/logistic/k_fold:by_arm": ("row", "arm"),
    "/connectivity/rest/circuits:tangent": ("row", "edge"),
    "/cohort/tangent/rest/circuits:mean": ("region", "other_region"),
    "/cohort/tangent/rest/circuits:diagonal": ("row", "region"),
    "/cohort/qc_fc/rest/circuits:r": ("edge",),
    "/cohort/qc_fc/rest/circuits:summary_value": ("summary",),
    "/cohort/qc_fc/rest/circuits:median_absolute_r_null": ("median_absolute_r_permutation",),
    "/cohort/reliability:split_half": ("measure",),
    "/cohort/reliability:icc_reason": ("measure",),
    "/cohort/reliability:reliable_change": ("row", "measure"),
    "/cohort/not_done:reason": ("entry",),
}


def skip(why):
    print(f"SKIP: {why}")
    sys.exit(SKIP)


def check(condition, message):
    if not condition:
        sys.exit(f"FAIL: {message}")


def groups_of(path):
    """Names of all groups, and of the datasets in each, by h5py."""
    import h5py

    groups = {"/": []}
    with h5py.File(path, "r") as file:
        def visit(name, item):
            if isinstance(item, h5py.Group):
                groups["/" + name] = []
            else:
                parent, _, leaf = ("/" + name).rpartition("/")
                groups[parent or "/"].append(leaf)

        file.visititems(visit)
    return groups


def read_xarray(folder, engine):
    try:
        import xarray
        __import__({"netcdf4": "netCDF4"}.get(engine, engine))
    except ImportError as error:
        skip(f"{engine}: {error}")
    for name in ("cohort.h5", "shard.h5", "empty.h5"):
        path = folder / name
        seen = {}
        for group, members in groups_of(path).items():
            with xarray.open_dataset(path, group=group, engine=engine) as data:
                data.load()
                found = set(data.variables)
                check(found == set(members), f"{name} {group}: found {found}, expected {members}")
                phony = [d for d in data.dims if d.startswith("phony")]
                check(not phony, f"{name} {group}: unnamed dimensions {phony}")
                seen.update({f"{group}:{v}": data[v] for v in data.variables})
                if group == "/":
                    check(data.attrs["format"] == "boldmill", f"{name}: root attribute")
                    check(int(data.attrs["format_version"]) == 1, f"{name}: root attribute")
        if name == "empty.h5":
            check(seen["/runs:run_id"].shape == (0,), "empty.h5: expected no runs")
            continue
        expected = dict(DIMENSIONS)
        if name == "cohort.h5":
            expected.update(COHORT_DIMENSIONS)
        for key, dims in expected.items():
            check(key in seen, f"{name}: {key} is missing")
            check(seen[key].dims == dims, f"{name} {key}: found {seen[key].dims}, expected {dims}")
        for key in FLAGS:
            flag = seen[key]
            check(flag.dtype == "uint8", f"{name} {key}: found {flag.dtype}, expected uint8")
            check(list(flag.attrs["flag_values"]) == [0, 1], f"{name} {key}: flag_values")
            check(len(flag.attrs["flag_meanings"].split()) == 2, f"{name} {key}: flag_meanings")
        values_are_right(name, seen)


def values_are_right(name, seen):
    import numpy

    column = seen["/participants:weird__b____"]
    check(column.attrs["long_name"] == "weird <b>/é", f"{name}: long_name")
    check(str(column.values[0]) == "x\ty", f"{name}: text with a tab")
    check(str(seen["/atlases/circuits:label"].values[1]) == "Gyrus é ../ <script>", f"{name}: label")
    check(list(seen["/participants:empty"].values) == [""] * column.size, f"{name}: empty texts")
    series = seen[f"{SERIES}:series"]
    check(series.dtype == "float32" and series.shape == (200, 30), f"{name}: series")
    check(bool(numpy.isnan(series.values[:, 0]).all()), f"{name}: region without coverage")
    check(bool(numpy.isfinite(series.values[:, 1:]).all()), f"{name}: series values")
    check(seen["/circuits:measures"].dtype == "float64", f"{name}: measures")
    time = seen[f"{SERIES}:time"].values
    if time.dtype.kind == "m":  # xarray decodes seconds to durations
        time = time / numpy.timedelta64(1, "s")
    check(time[2] == 5.0, f"{name}: time in seconds")
    check(seen["/connectivity/rest/circuits:fisher_z"].shape[1] == 30 * 29 // 2, f"{name}: edges")
    age = seen["/participants:age"].values
    if name == "cohort.h5":
        check(age.dtype == "float64" and age[1] == 21.5, f"{name}: age as numbers")
        check(seen["/circuits:scores"].attrs["fitted_on"] == "whole_cohort", f"{name}: fitted_on")
        edge = seen["/connectivity/rest/circuits:fisher_z"].values
        check(bool(numpy.isnan(edge[3]).all()), f"{name}: a person without a run")


def read_h5py(folder):
    """Storage rules: text is variable-length UTF-8 and written, no times, every axis has a scale."""
    try:
        import h5py
    except ImportError as error:
        skip(f"h5py: {error}")
    for name in ("cohort.h5", "shard.h5", "empty.h5"):
        with h5py.File(folder / name, "r") as file:
            def visit(path, item):
                leaf = path.rpartition("/")[2]
                allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+-"
                check(all(c in allowed for c in leaf), f"{name} {path}: name")
                if not isinstance(item, h5py.Dataset):
                    return
                check(item.dtype.kind in "fiuO", f"{name} {path}: type {item.dtype}")
                if item.dtype.kind == "O":
                    info = h5py.check_string_dtype(item.dtype)
                    check(info.encoding == "utf-8" and info.length is None, f"{name} {path}: text")
                if not h5py.h5ds.is_scale(item.id):
                    scales = [len(axis) for axis in item.dims]
                    check(all(n == 1 for n in scales), f"{name} {path}: scales {scales}")
                for key, value in item.attrs.items():
                    if key == "DIMENSION_LIST":
                        check(len(value) == item.ndim, f"{name} {path}: {len(value)} scales, {item.ndim} axes")
                        continue
                    check(getattr(value, "size", 1) < 3 or key == "REFERENCE_LIST",
                          f"{name} {path}@{key}: long attribute")

            file.visititems(visit)
        if shutil.which("h5ls"):
            listing = subprocess.run(["h5ls", "-v", "-r", folder / name], capture_output=True,
                                     text=True, check=True).stdout
            check("Modified:" not in listing, f"{name}: object times are tracked")


def read_ncdump(folder):
    if shutil.which("ncdump") is None:
        skip("ncdump is not installed")
    for name in ("cohort.h5", "shard.h5", "empty.h5"):
        done = subprocess.run(["ncdump", "-h", folder / name], capture_output=True, text=True)
        check(done.returncode == 0, f"ncdump {name}: {done.stderr}")
        check("phony" not in done.stdout, f"ncdump {name}: unnamed dimensions")
        for line in ("group: participants", "group: runs", "double measures(row, measure)"):
            check(line in done.stdout, f"ncdump {name}: no line {line!r}")
        whole = subprocess.run(["ncdump", folder / name], capture_output=True, text=True)
        check(whole.returncode == 0, f"ncdump {name}, values: {whole.stderr}")


R_SCRIPT = """
suppressMessages(library(ncdf4))
path <- commandArgs(trailingOnly = TRUE)[1]
f <- nc_open(path)
stopifnot(ncatt_get(f, 0, "format")$value == "boldmill")
stopifnot(identical(dim(ncvar_get(f, "circuits/measures")), c(3L, 5L)))
for (name in names(f$var)) {
  value <- ncvar_get(f, name)
  dims <- sapply(f$var[[name]]$dim, function(d) d$name)
  stopifnot(!any(grepl("phony", dims)))
}
ids <- ncvar_get(f, "participants/participant_id")
stopifnot(identical(as.vector(ids)[2], "sub-0001"))
label <- ncvar_get(f, "atlases/circuits/label")
stopifnot(identical(as.vector(label)[1], "Region_0"))
series <- ncvar_get(f, "timeseries/circuits/sub-0001_ses-a_task-rest_run-1/series")
stopifnot(identical(dim(series), c(30L, 200L)))
stopifnot(ncatt_get(f, "circuits/imputed", "flag_meanings")$value == "observed imputed")
nc_close(f)
cat("variables read:", length(names(f$var)), "\\n")
"""


def read_ncdf4(folder):
    if shutil.which("Rscript") is None:
        skip("Rscript is not installed")
    probe = subprocess.run(["Rscript", "-e", "library(ncdf4)"], capture_output=True, text=True)
    if probe.returncode != 0:
        skip("the R package ncdf4 is not installed")
    script = folder / "read.R"
    script.write_text(R_SCRIPT, encoding="utf-8")
    done = subprocess.run(["Rscript", script, folder / "cohort.h5"], capture_output=True, text=True)
    print(done.stdout)
    check(done.returncode == 0, f"R ncdf4: {done.stderr}")


def main():
    example, reader = sys.argv[1], sys.argv[2]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([example, name], check=True)
        if reader in ("netcdf4", "h5netcdf"):
            read_xarray(folder, reader)
        else:
            {"h5py": read_h5py, "ncdump": read_ncdump, "ncdf4": read_ncdf4}[reader](folder)
    print("ok")


if __name__ == "__main__":
    main()
