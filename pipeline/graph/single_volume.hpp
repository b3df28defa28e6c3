// An image of one volume, or the robust mean of a series, as a volume: single-band references and
// field map images come as either.
#pragma once

#include "pipeline/graph/study.hpp"

namespace boldmill::graph {

// NaN and infinite voxels are 0. Errors: input.
[[nodiscard]] Volume single_volume(const Study& study, const bids::BidsFile& file,
                                   const Context& context);

} // namespace boldmill::graph
