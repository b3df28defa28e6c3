// /figures of a shard, written from records. Internal to this folder.
#pragma once

#include "pipeline/store/figures.hpp"
#include "pipeline/store/netcdf.hpp"

namespace boldmill::store {

void write_figures(const Group& root, const ShardFigures& figures);

} // namespace boldmill::store
