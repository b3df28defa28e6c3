"""nilearn_extraction.py BOLD ATLAS OUT.tsv: the peer, used as its documentation shows."""

import sys

import numpy
from nilearn.maskers import NiftiLabelsMasker

series = NiftiLabelsMasker(sys.argv[2], standardize=None).fit_transform(sys.argv[1])
numpy.savetxt(sys.argv[3], series, delimiter="\t", fmt="%.9g")
