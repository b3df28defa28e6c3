// Series of the labels of a CIFTI file from a dense series of grayordinates.
#pragma once

#include "pipeline/graph/bold_run.hpp"
#include "pipeline/image_io/cifti.hpp"

namespace boldmill::graph {

// Appends to result.series and result.coverage: of the first set the labels of the file in role
// "atlas", of the circuits, which are volumes, missing values. Smoothing does not act on surfaces.
// Errors: input when atlas and series do not fit, or smoothing or despiking is asked for.
void add_dense_series(const Study& study, const std::filesystem::path& series, RunResult& result,
                      const Context& context);

[[nodiscard]] std::size_t dense_run_peak_bytes(const Study& study,
                                               const std::filesystem::path& series);

} // namespace boldmill::graph
