#!/bin/bash
# LSF: BIDS=BIDS_DIR OUT=OUTPUT_DIR OPTIONS="--preset circuit" bsub -env all -J "boldmill[1-100]" < scripts/examples/lsf.sh
# then: bsub -w "ended(boldmill)" boldmill BIDS_DIR OUTPUT_DIR group [options]
#BSUB -n 2
#BSUB -R "span[hosts=1] rusage[mem=4GB]"
#BSUB -W 08:00
#BSUB -r
set -u
read -r -a options <<<"${OPTIONS:-}"
"${BOLDMILL:-boldmill}" "$BIDS" "$OUT" participant "${options[@]}" --shard auto --nprocs "${LSB_DJOB_NUMPROC:-2}" --mem-mb 3500 \
  --progress lines &
child=$!
trap 'kill -TERM "$child" 2>/dev/null' TERM USR2
wait "$child"; code=$?
while kill -0 "$child" 2>/dev/null; do wait "$child"; code=$?; done
exit "$code"
