// The measures of run_quality that need the images; used by run_quality.cpp only.
#pragma once

#include "stages/denoise/run_quality.hpp"

namespace boldmill::run_quality {

// Fills mean, tsnr, outlier_fraction, quality_index and what of mriqc and afni follows from them.
void measure_images(const Series& bold, const Mask& brain, int n_dummy, const Params& params,
                    const Context& context, Outputs& out);
// Mean over the volumes after the dummies; negative means and non-finite values are 0.
void mean_volume(const Series& bold, int n_dummy, const Context& context, Volume& mean);

} // namespace boldmill::run_quality
