#!/bin/bash
# PBS: qsub -J 0-99 -v BIDS=BIDS_DIR,OUT=OUTPUT_DIR,TASKS=100,OPTIONS="--preset circuit" scripts/examples/pbs.sh
# PBS does not say how many tasks an array has: TASKS does. Then, with -W depend=afterany:JOB:
# boldmill BIDS_DIR OUTPUT_DIR group [options]
#PBS -N boldmill
#PBS -l select=1:ncpus=2:mem=4gb
#PBS -l walltime=08:00:00
#PBS -r y
set -u
read -r -a options <<<"${OPTIONS:-}"
"${BOLDMILL:-boldmill}" "$BIDS" "$OUT" participant "${options[@]}" --shard "auto/$TASKS" --nprocs "${NCPUS:-2}" --mem-mb 3500 \
  --progress lines &
child=$!
trap 'kill -TERM "$child" 2>/dev/null' TERM
wait "$child"; code=$?
while kill -0 "$child" 2>/dev/null; do wait "$child"; code=$?; done
exit "$code"
