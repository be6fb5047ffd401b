"""Explain SmolLM2's answer to a 452-token prompt with lxtc, LXT and plain forwards; print a table.

    .venv-lxt/bin/python bench/llm.py [--lxtc 'COMMAND'] [--go-bench 'COMMAND'] [--only NAME,...]

Needs models/smollm2 (testdata/gen/models/make.sh smollm2) and .venv-lxt
(bench/setup.sh). Everything runs one after another, in float32, on --threads
threads, each contender in its own process:

    run   the explanation (or forward) alone, best of --runs, model loaded
    cold  the whole command from start to exit with one run, imports and loading
          included (of a contender with more runs, the later ones are subtracted)
    peak  greatest resident memory of that process (ru_maxrss); pages of mapped
          weight files count

--lxtc is a whole command, for instance `./lxtc explain models/smollm2 --text
@bench/everest.txt -o heat.json`. --go-bench is a `go test -bench` command;
its best-ns/op are lxtc's `run`. Ratios are to lxt-efficient.
"""

import argparse
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
NAMES = ["onnxruntime-forward", "torch-forward", "lxt-efficient", "lxt-explicit"]
KIB = 1024  # to the MiB; ru_maxrss counts KiB on Linux


def main():
    args = arguments()
    rows = []
    for name in args.only.split(","):
        rows.append(contender(args, name))
        show(rows[-1])
    if args.lxtc:
        rows.append(command("lxtc, whole command", shlex.split(args.lxtc), args.threads))
        show(rows[-1])
    if args.go_bench:
        rows.extend(go_benchmark(shlex.split(args.go_bench), args.threads))
    print(table(rows))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=pathlib.Path, default=ROOT / "models" / "smollm2")
    parser.add_argument("--prompt", type=pathlib.Path, default=HERE / "everest.txt")
    parser.add_argument("--python", default=ROOT / ".venv-lxt" / "bin" / "python", help="of the LXT environment")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default=",".join(NAMES), help="contenders, with commas")
    parser.add_argument("--lxtc", help="a command that explains the same prompt")
    parser.add_argument("--go-bench", help="a go test -bench command")
    args = parser.parse_args()
    for path, remedy in (
        (args.model / "model.safetensors", "testdata/gen/models/make.sh smollm2"),
        (pathlib.Path(args.python), "bench/setup.sh"),
    ):
        if not path.exists():
            sys.exit(f"llm.py: {path} is missing; run {remedy}")
    return args


def contender(args, name):
    script = [args.python, HERE / "contenders.py", name, "--model", args.model, "--prompt", args.prompt]
    row = command(name, script + ["--threads", args.threads, "--runs", args.runs], args.threads)
    said = json.loads(row.pop("output").splitlines()[-1])
    row["run"] = min(said["seconds"])
    row["cold"] -= sum(said["seconds"][1:])
    row["said"] = f"token {said['target']}, logit {said['logit']:.4f}"
    if said["relevance"]:
        row["said"] += f", relevance {sum(said['relevance']):.4f}"
    return row


def command(name, argv, threads):
    """Run argv; wall time and peak memory of that process and of nothing else."""
    env = os.environ | {"OMP_NUM_THREADS": str(threads), "GOMAXPROCS": str(threads)}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        process = subprocess.Popen([str(a) for a in argv], stdout=out, stderr=err, env=env, cwd=ROOT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode:
            sys.exit(f"llm.py: {name} failed ({process.returncode}): {err.read().decode()[-2000:]}")
        output = out.read().decode(errors="replace")
    return {"name": name, "cold": seconds, "peak": usage.ru_maxrss / KIB, "output": output}


def go_benchmark(argv, threads):
    """A row for every benchmark; go test builds first, so cold and peak say nothing."""
    output = command("go test", argv, threads)["output"]
    found = re.findall(r"^(Benchmark\S+).*?([\d.]+) best-ns/op", output, re.MULTILINE)
    if not found:
        sys.exit(f"llm.py: no benchmark in the output of {shlex.join(argv)}:\n{output[-2000:]}")
    return [{"name": name, "run": float(ns) / 1e9} for name, ns in found]


def table(rows):
    base = next((r for r in rows if r["name"] == "lxt-efficient"), {})
    head = ["", "run s", "ratio", "cold s", "ratio", "peak MiB", "ratio", "result"]
    lines = [head]
    for r in rows:
        line = [r["name"]]
        for key, form in (("run", "{:.3f}"), ("cold", "{:.1f}"), ("peak", "{:.0f}")):
            line.append(form.format(r[key]) if key in r else "-")
            line.append(f"{r[key] / base[key]:.2f}" if key in r and key in base else "-")
        lines.append(line + [r.get("said", "")])
    widths = [max(len(l[i]) for l in lines) for i in range(len(head))]
    lines.insert(1, ["-" * w for w in widths])
    return "\n".join("| " + " | ".join(cells(line, widths)) + " |" for line in lines)


def cells(line, widths):
    """Names and results to the left, numbers to the right."""
    ends = (0, len(line) - 1)
    return [c.ljust(w) if i in ends else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths))]


def show(row):
    print(f"{row['name']}: {row.get('run', row['cold']):.2f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
