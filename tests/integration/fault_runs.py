"""One run of the program with one fault, and what must hold after it. Used by the test and by benchmarks/faults."""
import os
import shutil
import signal
import subprocess

import h5py

from support import FAST, PROGRAM, leftovers

LIBRARY = os.environ.get("BOLDMILL_FAULTS", "")
HARMLESS = {"EINTR", "short", "slow"}
# Which faults make sense at which call.
MATRIX = {"write": ["ENOSPC", "EIO", "EDQUOT", "EINTR", "short", "slow", "kill"],
          "read": ["EIO", "ESTALE", "EINTR", "short", "slow"],
          "open": ["EACCES", "EROFS", "EIO", "ENOSPC"],
          "sync": ["EIO", "ENOSPC", "kill"],
          "rename": ["EIO", "EROFS", "ENOSPC", "kill"],
          "link": ["EIO", "ENOSPC", "kill"],
          "unlink": ["EIO", "EROFS", "kill"],
          "mkdir": ["ENOSPC", "EACCES"],
          "close": ["EIO", "EDQUOT"],
          "memory": ["ENOMEM"]}


def arguments(bids, out, options=()):
    return [PROGRAM, bids, out, "all", "--nprocs", "2", "--progress", "none", *options, *FAST]


def begin_again(out, warm=None):
    """Empties `out`; `warm` is an output folder whose cache is there from the beginning."""
    shutil.rmtree(out, ignore_errors=True)
    if warm:
        shutil.copytree(os.path.join(warm, ".boldmill", "cache"), os.path.join(out, ".boldmill", "cache"))


def environment(fault, root, count=None):
    env = dict(os.environ, LD_PRELOAD=LIBRARY, BOLDMILL_FAULT_ROOT=root)
    if fault:
        env["BOLDMILL_FAULT"] = fault
    if count:
        env["BOLDMILL_FAULT_COUNT"] = count
    return env


def count_calls(bids, out, root, file, options=(), warm=None):
    """How often each kind of call is made in a whole run below `root`."""
    begin_again(out, warm)
    subprocess.run(arguments(bids, out, options), env=environment(None, root, file), capture_output=True, check=False)
    with open(file) as f:
        return {name: int(n) for name, n in (line.split() for line in f)}


def points(n, wanted):
    """`wanted` of the calls 1..n, evenly, first and last among them."""
    if n <= 0:
        return []
    if wanted >= n:
        return list(range(1, n + 1))
    return sorted({1 + round(i * (n - 1) / max(1, wanted - 1)) for i in range(wanted)})


def wrong_files(out):
    """Files with a final name that do not hold what the name promises."""
    wrong = []
    for folder, _, files in os.walk(out):
        for name in files:
            path = os.path.join(folder, name)
            if name.endswith(".h5"):
                try:
                    with h5py.File(path, "r") as f:
                        list(f) if name == "model.h5" else f["participants/participant_id"][:]
                except Exception as error:  # noqa: BLE001: whatever the reader says
                    wrong.append(f"{path}: {error}")
    return wrong


def survive(bids, out, root, fault, same_as, compare, options=(), warm=None):
    """Runs with the fault, then without; returns what was wrong, "" when nothing was."""
    begin_again(out, warm)
    kind = fault.split(":")[1]
    try:
        first = subprocess.run(arguments(bids, out, options), env=environment(fault, root), capture_output=True, text=True,
                               timeout=900, errors="replace")
    except subprocess.TimeoutExpired:
        return "hangs"
    killed = kind == "kill" and first.returncode == -signal.SIGKILL
    if first.returncode < 0 and not killed:
        return f"died of signal {-first.returncode}\n{first.stderr[-500:]}"
    if not killed and first.returncode not in (0, 1, 2, 4):
        return f"exit code {first.returncode}\n{first.stderr[-500:]}"
    if kind in HARMLESS and first.returncode not in (0, 1):
        return f"a harmless fault ended it with {first.returncode}\n{first.stderr[-500:]}"
    if first.returncode in (2, 4) and not first.stderr.strip():
        return f"exit code {first.returncode} without a message"
    wrong = wrong_files(out)
    if wrong:
        return "damaged file under its final name: " + "; ".join(wrong)
    if not killed and kind not in ("EROFS", "EIO", "EACCES") and leftovers(out):
        return f"leftovers {leftovers(out)}"
    second = subprocess.run(arguments(bids, out, options), capture_output=True, text=True, timeout=900, errors="replace")
    if second.returncode not in (0, 1):
        return f"the next run ended with {second.returncode}\n{second.stderr[-500:]}"
    if leftovers(out):
        return f"leftovers after the next run: {leftovers(out)}"
    done = subprocess.run([compare, same_as, os.path.join(out, "cohort.h5")], capture_output=True, text=True)
    return "" if done.returncode == 0 else f"other bytes than without a fault:\n{done.stdout[:1000]}"
