"""What the integration tests share: the program, a simulated cohort, comparison of results."""
import os
import shutil
import subprocess
import sys
import tempfile

PROGRAM = os.environ["BOLDMILL_PROGRAM"]
COMPARE = os.environ["BOLDMILL_COMPARE"]
SOURCE = os.environ["BOLDMILL_SOURCE_DIR"]
# Fast settings for tests: coarse grid, coarse warp. Every stage still runs.
FAST = ["--set", "target.spacing_mm=4", "normalization.level_spacing_mm=8,4", "normalization.iterations=20,10",
        "prediction.n_permutations=9", "prediction.n_repeats=1", "nuisance_regression.min_dof=10",
        "bias_field.working_spacing_mm=8", "bias_field.iterations=15"]


def run(*args, expect=None, timeout=900, env=None):
    """Runs the program; returns (code, output). Fails the test on another code than expected."""
    done = subprocess.run([PROGRAM, *map(str, args)], capture_output=True, text=True, timeout=timeout, env=env,
                          errors="replace")
    text = done.stdout + done.stderr
    if expect is not None:
        check(done.returncode == expect, f"{' '.join(map(str, args))}: code {done.returncode}, expected {expect}\n{text}")
    return done.returncode, text


def check(condition, message):
    if not condition:
        print(f"FAILED: {message}")
        sys.exit(1)


def same(a, b):
    done = subprocess.run([COMPARE, str(a), str(b)], capture_output=True, text=True)
    check(done.returncode == 0, f"{a} and {b} differ:\n{done.stdout[:4000]}{done.stderr}")


def leftovers(folder):
    return [os.path.join(d, f) for d, _, files in os.walk(folder) for f in files if ".part" in f]


class Scratch:
    """A scratch folder that is removed at the end, and a small simulated cohort in it."""

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="boldmill-test-")
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def simulate(self, name, participants=3, *options):
        folder = self.path(name)
        run("simulate", folder, "--participants", participants, "--size", "tiny", "--tasks", "rest",
            "--random-seed", 7, *options, expect=0)
        return folder
