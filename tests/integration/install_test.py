"""`cmake --install` and the Debian package: complete, and the package works in a clean Debian root, of which nothing else is known.
The recipes of containers name the packages of scripts/setup."""
import glob
import os
import re
import shutil
import subprocess
import sys

from support import PROGRAM, SOURCE, Scratch, check

BUILD = os.path.dirname(os.path.dirname(PROGRAM))
FILES = ["bin/boldmill", "share/man/man1/boldmill.1", "share/bash-completion/completions/boldmill", "share/boldmill/configs/quick.json",
         "share/boldmill/configs/taxonomies/published2024.json", "share/doc/boldmill/README.md", "share/doc/boldmill/docs/first-study.md",
         "share/doc/boldmill/LICENSE", "share/doc/boldmill/CITATION.cff", "share/doc/boldmill/examples/sge.sh"]


def call(*words, **more):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, errors="replace", check=False, **more)
    check(done.returncode == 0, f"{' '.join(map(str, words))}: code {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


def recipes():
    """The first list of scripts/setup, word for word, in both recipes."""
    with open(f"{SOURCE}/scripts/setup", encoding="utf-8") as file:
        wanted = re.search(r"packages=\(\n(.*?)\n\)", file.read(), re.S).group(1).split()
    check(len(wanted) > 10, f"packages of scripts/setup: {wanted}")
    for name in ("Dockerfile", "boldmill.def"):
        with open(f"{SOURCE}/containers/{name}", encoding="utf-8") as file:
            text = file.read().replace("\\\n", " ")
        listed = re.search(r"--no-install-recommends +(g\+\+.*?)\n", text).group(1).split()
        check(set(wanted) <= set(listed), f"containers/{name} lacks {set(wanted) - set(listed)} of scripts/setup")
        beyond = set(listed) - set(wanted) - {"nodejs", "npm", "ca-certificates", "file"}
        check(not beyond, f"containers/{name} has {beyond}, scripts/setup has not")


def installed(scratch):
    prefix = scratch.path("prefix")
    call("cmake", "--install", BUILD, "--prefix", prefix)
    missing = [name for name in FILES if not os.path.exists(f"{prefix}/{name}")]
    check(not missing, f"not installed: {missing}")
    if os.path.isdir(f"{SOURCE}/pipeline/report/web/node_modules"):
        with open(f"{prefix}/share/doc/boldmill/LICENSES.bundled.txt", encoding="utf-8") as file:
            check("@observablehq/plot" in file.read(), "licences of what is bundled")
    check(bool(os.listdir(f"{prefix}/share/boldmill")), "data")


def package(scratch):
    call("cpack", "--config", f"{BUILD}/CPackConfig.cmake", "-B", scratch.path("package"), cwd=scratch.path())
    [deb] = glob.glob(scratch.path("package", "*.deb"))
    about = call("dpkg-deb", "--field", deb)
    print(about)
    for library in ("libc6", "libhdf5", "libtbb12", "libisal2", "libssl3", "zlib1g", "mricron-data"):
        check(library in about, f"the package does not depend on {library}")
    check("dev" not in re.search(r"Depends: (.*)", about).group(1), "the package depends on headers")
    listed = call("dpkg-deb", "--contents", deb)
    missing = [name for name in FILES if f"./usr/{name}" not in listed]
    check(not missing and "/usr/include" not in listed, f"not in the package: {missing}")
    return deb


def why_no_root():
    if os.getuid() != 0:
        return "only root can make a clean Debian root"
    if shutil.which("debootstrap") is None:
        return "debootstrap is missing (scripts/setup --tests)"
    return None


def make_root(root):
    """Debian as small as it comes, from where this machine gets its packages; None when that is out of reach."""
    made = subprocess.run(["debootstrap", "--variant=minbase", "bookworm", root], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        return "debootstrap: " + (made.stdout + made.stderr).strip().splitlines()[-1]
    for name in ("apt/apt.conf.d", "apt/sources.list.d"):
        shutil.copytree(f"/etc/{name}", f"{root}/etc/{name}", dirs_exist_ok=True)
    for name in ("resolv.conf", "hosts"):
        shutil.copy(f"/etc/{name}", f"{root}/etc/{name}")
    return None


def in_clean_root(deb, root):
    shutil.copy(deb, f"{root}/root/boldmill.deb")
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "HOME": "/root", "LC_ALL": "C"}
    os.makedirs(f"{root}/proc", exist_ok=True)
    call("mount", "--bind", "/proc", f"{root}/proc")
    try:
        call("chroot", root, "apt-get", "update", "-q", env=env)
        call("chroot", root, "apt-get", "install", "-y", "-q", "--no-install-recommends", "/root/boldmill.deb", env=env)
        check(not os.path.exists(f"{root}{SOURCE}"), "the root holds the source")
        print(call("chroot", root, "boldmill", "--version", env=env))
        call("chroot", root, "boldmill", "simulate", "/root/study", "--participants", 1, "--tasks", "rest", "--volumes", 60, env=env)
        text = call("chroot", root, "boldmill", "/root/study", "/root/out", "all", "--preset", "quick", "--set",
                    "nuisance_regression.min_dof=5", "--progress", "none", env=env)
        check("1 runs of 1 participant-sessions: " in text and os.path.exists(f"{root}/root/out/cohort.h5"), text)
        check(os.path.getsize(f"{root}/root/out/index.html") > 10000, "the page")
        call("chroot", root, "apt-get", "purge", "-y", "-q", "boldmill", env=env)
        left = glob.glob(f"{root}/usr/**/*boldmill*", recursive=True)
        check(not left, f"left after purge: {left}")
    finally:
        call("umount", f"{root}/proc")


recipes()
with Scratch() as scratch:
    installed(scratch)
    deb = package(scratch)
    reason = why_no_root()
    if reason is None:
        reason = make_root(scratch.path("root"))
    if reason is None:
        in_clean_root(deb, scratch.path("root"))
if reason:
    print(f"skipped: the package was made but not tried in a clean root: {reason}")
    sys.exit(77)
print("ok")
