#!/bin/bash
# Sun/Univa Grid Engine: qsub -t 1-100 scripts/examples/sge.sh BIDS_DIR OUTPUT_DIR [options]
# then, when the array has ended:  qsub -hold_jid boldmill -N boldmill_group ... boldmill BIDS_DIR OUTPUT_DIR group [options]
#$ -N boldmill
#$ -cwd
#$ -pe smp 2
#$ -l h_vmem=2G,h_rt=08:00:00
#$ -r y
#$ -notify
set -u
bids=$1 out=$2
shift 2
"${BOLDMILL:-boldmill}" "$bids" "$out" participant "$@" --shard auto --nprocs "${NSLOTS:-2}" --mem-mb 3500 --progress lines &
child=$!
trap 'kill -TERM "$child" 2>/dev/null' TERM USR2 # USR2: -notify before the kill
wait "$child"; code=$?
while kill -0 "$child" 2>/dev/null; do wait "$child"; code=$?; done
[ "$code" -eq 3 ] && exit 99 # interrupted: the scheduler runs it again, and it continues
exit "$code"
