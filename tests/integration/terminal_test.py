"""What a person sees in a terminal: help in groups, the manual page, completion in bash, progress as lines, as a bar and as JSON,
colours only where they are wanted, and at the end what failed and what to do."""
import fcntl
import json
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import termios

from support import FAST, PROGRAM, Scratch, check, run

SCHEMA = json.loads(run("config", "schema", expect=0)[1])["properties"]
KEYS = [f"{section}.{key}" for section, value in SCHEMA.items() if section not in ("tasks", "files")
        for key in value.get("properties", {})]


def on_terminal(words, columns=100, **more):
    """Runs on a pseudo-terminal of so many columns; returns (code, what it showed)."""
    env = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    env.update(TERM="xterm", **more)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    done = subprocess.Popen([PROGRAM, *map(str, words)], stdin=theirs, stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    shown = b""
    while True:
        ready, _, _ = select.select([ours], [], [], 600)
        try:
            piece = os.read(ours, 65536) if ready else b""
        except OSError:  # the other side is closed
            piece = b""
        if not piece:
            break
        shown += piece
    os.close(ours)
    return done.wait(), shown.decode(errors="replace")


def help_texts():
    _, text = run("--help", expect=0)
    for group in ("Before:", "Work:", "Results:", "Reference:"):
        check(f"\n{group}\n" in text, f"--help has no group {group}\n{text}")
    check("Usage: boldmill " in text, text)
    _, text = run("run", "--help", expect=0)
    check("Usage: boldmill run " in text and max(map(len, text.splitlines())) <= 100, text)
    check(re.search(r"--fd-thresh TEXT +volumes with a larger .*\n? *.*\[default 0.3 mm,\s+>= 0\]\s+\(nuisance_regression.fd_threshold_mm\)",
                    text), "unit, default and range of --fd-thresh")
    check(run("help", "run", expect=0)[1] == text, "help run is run --help")
    check("Usage: boldmill stage glm" in run("help", "stage", "glm", expect=0)[1], "help of a stage")
    check("did you mean" in run("hlep")[1] and run("help", "rum")[0] == 2, "a slip of the pen")


def manual(scratch):
    _, page = run("help", "--man", expect=0)
    plain = page.replace("\\-", "-")
    missing = [key for key in KEYS if f'"{key}"' not in plain]
    check(len(KEYS) > 100 and not missing, f"keys that the manual lacks: {missing}")
    for verb in ("validate", "plan", "simulate", "submit", "status", "merge", "rerun", "score", "export", "report", "config", "stage"):
        check(f".SS {verb}\n" in plain, f"the manual has no verb {verb}")
    for word in ("--participant-label", "--write-volumes", "NO_COLOR", "EXIT STATUS"):
        check(word in plain, f"the manual lacks {word}")
    if shutil.which("man") is None:
        return
    path = scratch.path("boldmill.1")
    with open(path, "w", encoding="utf-8") as file:
        file.write(page)
    done = subprocess.run(["man", "--warnings", "-l", path], capture_output=True, text=True, check=True,
                          env=dict(os.environ, MANWIDTH="100", LC_ALL="C.UTF-8", PAGER="cat"))
    check(not done.stderr.strip(), f"man complains: {done.stderr[:500]}")
    check("nuisance_regression.strategy" in done.stdout and "VERBS" in done.stdout, done.stdout[:500])


def complete(script, *words):
    """What bash offers for the last word."""
    quoted = " ".join(f"'{word}'" for word in words)
    code = f"source {script}; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _boldmill; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run(["bash", "-u", "-c", code], capture_output=True, text=True, check=False)
    check(done.returncode == 0 and not done.stderr, f"{words}: {done.stderr}")
    return done.stdout.split()


def closed_pipe():
    reader = subprocess.Popen(["head", "-n", "1"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    writer = subprocess.Popen([PROGRAM, "config", "explain", "gates"], stdout=reader.stdin, stderr=subprocess.PIPE, text=True)
    reader.stdin.close()
    said = writer.communicate()[1]
    reader.wait()
    check(writer.returncode == 0 and said == "", f"a reader that has left: {writer.returncode} {said}")
    read_end, write_end = os.pipe()
    os.close(read_end)
    gone = subprocess.run([PROGRAM, "help", "run"], stdout=write_end, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write_end)
    check(gone.returncode == 0 and gone.stderr == "", f"a reader that was never there: {gone.returncode} {gone.stderr}")
    full = open("/dev/full", "w", encoding="utf-8")
    failed = subprocess.run([PROGRAM, "help", "run"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    check(failed.returncode == 4 and "could not be written" in failed.stderr, f"a full disk: {failed.returncode} {failed.stderr}")


def completion(scratch):
    script = scratch.path("boldmill.bash")
    with open(script, "w", encoding="utf-8") as file:
        file.write(run("help", "--completion", expect=0)[1])
    check(complete(script, "boldmill", "va") == ["validate"], "a verb")
    check(complete(script, "boldmill", "in", "out", "gr") == ["group"], "a level")
    check("--participant-label" in complete(script, "boldmill", "in", "out", "all", "--par"), "a flag without a verb")
    check(complete(script, "boldmill", "score", "--mod") == ["--model"], "a flag of a verb")
    check(complete(script, "boldmill", "in", "out", "all", "--write-volumes", "mi") == ["minimal"], "a choice")
    check("quick" in complete(script, "boldmill", "in", "out", "all", "--preset", "q"), "a preset")
    check(complete(script, "boldmill", "in", "out", "all", "--set", "cohort.targ") == ["cohort.targets="], "a key")
    check(complete(script, "boldmill", "in", "out", "all", "--set", "cohort.targets", "=", "x", "target.spac")
          == ["target.spacing_mm="], "a second key")
    check(complete(script, "boldmill", "stage", "head_m") == ["head_motion"], "a stage")
    check("--out" in complete(script, "boldmill", "stage", "combat", "--o"), "a flag of a stage")
    check(complete(script, "boldmill", "config", "explain", "gates.min_t") == ["gates.min_time_s"], "a key to explain")
    check(complete(script, "boldmill", "in", "out", "all", "--participant-label", "0") == [], "free text is left to bash")


def progress(scratch):
    bids = scratch.simulate("bids", 1, "--volumes", "60")
    options = [*FAST, "gates.min_time_s=100000"]  # nothing lasts that long: the run is excluded
    out = scratch.path("out")
    done = subprocess.run([PROGRAM, bids, out, "participant", *options], capture_output=True, text=True, check=False)
    check(done.returncode == 1, done.stdout + done.stderr)
    check("\x1b" not in done.stdout + done.stderr and "\r" not in done.stderr, "plain where there is no terminal")
    check(re.search(r"^\[1/\d+\] \S+ done after \d+:\d\d, \S+ left$", done.stderr, re.M), done.stderr)
    check(re.search(r"^excluded sub-\w+_task-rest: .*expected", done.stdout, re.M) and
          re.search(r"^to do    1 excluded: .*boldmill config explain gates", done.stdout, re.M), done.stdout)

    work = ["-w", f"{out}/.boldmill"]
    code, shown = on_terminal([bids, scratch.path("bar"), "participant", *work, *options], columns=70)
    check(code == 1 and "\x1b[33mexcluded\x1b[0m sub-" in shown, shown)
    bars = re.findall(r"\r(\[[#.]+\] [^\r\n\x1b]*)", shown)
    check(bars and max(map(len, bars)) < 70 and any("at work, longest " in bar for bar in bars), f"{bars}")
    code, shown = on_terminal([bids, scratch.path("grey"), "participant", *work, *options], NO_COLOR="1")
    check(code == 1 and "\x1b[3" not in shown and "excluded sub-" in shown, "NO_COLOR")

    done = subprocess.run([PROGRAM, bids, scratch.path("json"), "participant", *work, "--progress", "json", *options],
                          capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    check(lines and {"task", "state", "ended", "tasks", "remaining_s", "running", "longest", "wait_for_memory"} <= set(lines[0]) and
          lines[-1]["ended"] == lines[-1]["tasks"] and lines[-1]["running"] == 0, f"{lines}")


with Scratch() as scratch:
    help_texts()
    manual(scratch)
    completion(scratch)
    progress(scratch)
print("ok")
