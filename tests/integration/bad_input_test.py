"""Bad input gives a clear message and the right exit code; the rest of the cohort is finished."""
import gzip
import json
import os
import shutil
import struct

import h5py

from support import FAST, Scratch, check, leftovers, run


def bold(bids, person):
    return os.path.join(bids, person, "func", f"{person}_task-rest_bold.nii.gz")


def people(bids):
    return sorted(d for d in os.listdir(bids) if d.startswith("sub-"))


def runs_of(out):
    with h5py.File(os.path.join(out, "cohort.h5")) as f:
        table = f["runs"]
        text = lambda name: [v.decode() if isinstance(v, bytes) else v for v in table[name][()]]
        return {i: (s, r) for i, s, r in zip(text("run_id"), text("status"), text("reason"))}


def rewrite(path, change):
    with gzip.open(path) as f:
        data = bytearray(f.read())
    change(data)
    with gzip.open(path, "wb", compresslevel=1) as f:
        f.write(bytes(data))


def each_fault_fails_its_run_only(scratch):
    """One fault per person; the last two people are left alone."""
    bids = scratch.simulate("faults", 10)
    ids = people(bids)
    with open(bold(bids, ids[0]), "r+b") as f:
        f.truncate(os.path.getsize(bold(bids, ids[0])) // 2)
    rewrite(bold(bids, ids[1]), lambda d: d.__setitem__(slice(344, 348), b"xx1\0"))
    rewrite(bold(bids, ids[2]), lambda d: d.__setitem__(slice(42, 48), struct.pack("<3h", 32000, 32000, 32000)))
    rewrite(bold(bids, ids[3]), lambda d: d.__setitem__(slice(42, 44), struct.pack("<h", 0)))
    sidecar = bold(bids, ids[4]).replace(".nii.gz", ".json")
    with open(sidecar, "w") as f:
        f.write('{"RepetitionTime": 2.0,')
    sidecar = bold(bids, ids[5]).replace(".nii.gz", ".json")
    values = json.load(open(sidecar)) if os.path.exists(sidecar) else {}
    values["RepetitionTime"] = 2000
    json.dump(values, open(sidecar, "w"))

    def three_dimensional(data):
        data[40:42] = struct.pack("<h", 3)
        data[48:50] = struct.pack("<h", 1)
    rewrite(bold(bids, ids[6]), three_dimensional)
    corrupt = bytearray(open(bold(bids, ids[7]), "rb").read())
    corrupt[len(corrupt) // 2] ^= 0xFF
    open(bold(bids, ids[7]), "wb").write(corrupt)

    out = scratch.path("faults-out")
    code, text = run(bids, out, "all", "--progress", "none", *FAST)
    check(code == 1, f"code {code}, expected 1\n{text}")
    table = runs_of(out)
    check(len(table) == 10, f"{len(table)} runs in the table, expected 10")
    for person in ids[:8]:
        status, reason = table[f"{person}_task-rest"]
        check(status == "failed" and len(reason) > 15, f"{person}: {status} {reason}")
        check(scratch.folder not in reason, f"{person}: a path of this machine in the output: {reason}")
        check(f"{person}_task-rest" in text, f"{person} is not named in the summary")
        print(f"{person}: {reason}")
    code, again = run(bids, out, "group", *FAST)
    check(code == 1 and all(p in again for p in ids[:8]), f"group: code {code}, expected 1 and every name\n{again}")
    code, again = run("merge", out)
    check(code == 1 and all(p in again for p in ids[:8]), f"merge: code {code}, expected 1 and every name\n{again}")
    for person in ids[8:]:
        check(table[f"{person}_task-rest"][0] in ("ok", "warning"), f"{person}: {table[f'{person}_task-rest']}")
    check(not leftovers(out), str(leftovers(out)))


def usage_and_dataset_errors(scratch):
    bids = scratch.simulate("usage", 2)
    out = scratch.path("usage-out")
    for arguments, words in (
            (["--nonsense"], "nonsense"),
            (["--set", "gates.max_fd_sare=1"], "did you mean gates.max_fd_share"),
            (["--set", "target.spacing_mm=0"], "expected 1 to 8"),
            (["--participant-label", "nobody"], "nobody"),
            (["--shard", "2/2"], "expected I/N"),
            (["--path", "circuit_mask=x"], "did you mean files.circuit_masks"),
            (["--set", "cohort.targets=age,age"], "cohort.targets: found"),
            (["--set", "nuisance_regression.low_pass_hz=0.001"], "expected more than high_pass_hz"),
    ):
        _, text = run(bids, out, "all", *arguments, expect=2)
        check(words in text, f"{arguments}: {words} not in\n{text}")
    check(not os.path.exists(os.path.join(out, "cohort.h5")), "nothing may be written")
    run("/nonexistent/dataset", out, "all", expect=2)
    os.makedirs(scratch.path("empty"))
    run(scratch.path("empty"), out, "all", expect=2)

    # The dataset itself, or another one, is no place for outputs.
    before = {name: os.stat(os.path.join(bids, name)).st_mtime_ns for name in os.listdir(bids)}
    _, text = run(bids, os.path.join(bids, "."), "all", expect=2)
    check("did not write" in text, text)
    os.makedirs(scratch.path("raw"))
    shutil.copy(os.path.join(bids, "dataset_description.json"), scratch.path("raw"))
    _, text = run(bids, scratch.path("raw"), "all", expect=2)
    check("did not write" in text, text)
    after = {name: os.stat(os.path.join(bids, name)).st_mtime_ns for name in os.listdir(bids)}
    check(before == after and len(os.listdir(scratch.path("raw"))) == 1, "a dataset was written to")

    twice = scratch.path("twice")
    shutil.copytree(bids, twice)
    with open(os.path.join(twice, "participants.tsv")) as f:
        lines = f.read().splitlines()
    with open(os.path.join(twice, "participants.tsv"), "w") as f:
        f.write("\n".join(lines + [lines[1]]) + "\n")
    _, text = run(twice, out, "all", expect=2)
    check(people(bids)[0] in text, text)


def another_cohort_is_refused(scratch):
    bids = scratch.simulate("first", 2)
    out = scratch.path("first-out")
    code, text = run(bids, out, "participant", "--progress", "none", *FAST)
    check(code in (0, 1), text)
    other = scratch.path("other")
    shutil.copytree(bids, other)
    description = json.load(open(os.path.join(other, "dataset_description.json")))
    description["Name"] = "another study"
    json.dump(description, open(os.path.join(other, "dataset_description.json"), "w"))
    _, text = run(other, out, "all", "--progress", "none", *FAST, expect=2)
    check("another cohort" in text, text)
    # A shard of another configuration is not merged.
    code, text = run(bids, out, "group", *FAST, "gates.max_fd_share=0.9")
    check(code == 2 and "config" in text, f"{code}\n{text}")

    # A cache entry of an older version and a damaged one are computed again.
    cache = os.path.join(out, ".boldmill", "cache")
    entries = sorted(os.listdir(cache))
    for entry in entries[::2]:
        open(os.path.join(cache, entry), "wb").write(b"boldmill-cache-0\nold")
    for entry in entries[1::2]:
        data = bytearray(open(os.path.join(cache, entry), "rb").read())
        data[-1] ^= 1
        open(os.path.join(cache, entry), "wb").write(data)
    # What a killed process left is swept, wherever it was writing.
    person = people(bids)[0]
    for name in ("cohort.h5", f"{person}/{person}.h5", f"{person}/func/x.tsv", ".boldmill/cache/x.est",
                 ".boldmill/digests/x.sum"):
        open(os.path.join(out, f"{name}.part-999999999-0"), "w").close()
    code, text = run(bids, out, "all", "--force", "--progress", "none", *FAST)
    check(code in (0, 1), text)
    check(not leftovers(out), str(leftovers(out)))


def missing_row_and_hostile_names(scratch):
    bids = scratch.simulate("names", 2)
    person = people(bids)[0]
    with open(os.path.join(bids, "participants.tsv")) as f:
        lines = f.read().splitlines()
    header = lines[0].split("\t")
    kept = [l.split("\t") for l in lines[1:] if not l.startswith(person + "\t")]
    kept[0][header.index("site")] = "<script>alert(1)</script>../x"
    with open(os.path.join(bids, "participants.tsv"), "w") as f:
        f.write("\n".join("\t".join(r) for r in [header] + kept) + "\n")
    os.makedirs(os.path.join(bids, "sub-..<b>", "anat"))
    out = scratch.path("names-out")
    code, text = run(bids, out, "all", "--progress", "none", *FAST)
    check(code in (0, 1), text)
    html = open(os.path.join(out, "index.html")).read()
    check("<script>alert" not in html, "a label reached the page unescaped")
    with h5py.File(os.path.join(out, "cohort.h5")) as f:
        ids = [v.decode() for v in f["participants/participant_id"][()]]
        check(person in ids, "the participant without a row is in the table")
    outside = [p for p in os.listdir(scratch.folder) if p not in ("faults", "faults-out", "usage", "usage-out", "empty",
               "raw", "twice", "first", "first-out", "other", "names", "names-out")]
    check(not outside, f"files outside the output folder: {outside}")


with Scratch() as scratch:
    each_fault_fails_its_run_only(scratch)
    usage_and_dataset_errors(scratch)
    another_cohort_is_refused(scratch)
    missing_row_and_hostile_names(scratch)
print("ok")
