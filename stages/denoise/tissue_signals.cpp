#include "stages/denoise/tissue_signals.hpp"

#include <array>
#include <cmath>
#include <limits>
#include <string>

#include "stages/core/parallel.hpp"

namespace boldmill::tissue_signals {
namespace {

void check_grid(const Series& bold, const Mask* mask, const char* name) {
  if (mask != nullptr && !mask->data.empty() && !mask->grid.same_as(bold.grid)) {
    throw Error(ErrorKind::input, std::string("tissue_signals: the grid of mask ") + name +
                                      " differs from the series'");
  }
}

struct Eroded {
  std::vector<std::size_t> voxels;
  int steps = 0;
};

Eroded eroded_voxels(const Mask* mask, int max_steps, int min_voxels) {
  Eroded out;
  if (mask == nullptr || mask->data.empty()) return out;
  Mask current = *mask;
  while (out.steps < max_steps) {
    Mask next = erode(current);
    if (count(next) < static_cast<std::size_t>(min_voxels)) break;
    current = std::move(next);
    ++out.steps;
  }
  out.voxels = indices_of(current);
  return out;
}

double mean_of(const float* volume, const std::vector<std::size_t>& voxels) {
  double sum = 0.0;
  std::size_t n = 0;
  for (const std::size_t v : voxels) {
    if (!std::isfinite(volume[v])) continue;
    sum += static_cast<double>(volume[v]);
    ++n;
  }
  return n == 0 ? std::numeric_limits<double>::quiet_NaN() : sum / static_cast<double>(n);
}

} // namespace

Mask erode(const Mask& mask) {
  Mask out = mask;
  const auto [ni, nj, nk] = mask.grid.shape;
  const auto inside = [&](int i, int j, int k) {
    return mask.grid.contains(i, j, k) && mask.at(i, j, k) != 0;
  };
  for (int k = 0; k < nk; ++k) {
    for (int j = 0; j < nj; ++j) {
      for (int i = 0; i < ni; ++i) {
        if (out.at(i, j, k) == 0) continue;
        const bool keep = inside(i - 1, j, k) && inside(i + 1, j, k) && inside(i, j - 1, k) &&
                          inside(i, j + 1, k) && inside(i, j, k - 1) && inside(i, j, k + 1);
        out.at(i, j, k) = keep ? 1 : 0;
      }
    }
  }
  return out;
}

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  const Series& bold = *inputs.bold;
  check_grid(bold, inputs.csf, "csf");
  check_grid(bold, inputs.white_matter, "white_matter");
  check_grid(bold, inputs.brain, "brain");
  if (inputs.brain == nullptr || count(*inputs.brain) == 0) {
    throw Error(ErrorKind::input, "tissue_signals: the brain mask is empty");
  }
  const std::array<Eroded, 3> masks{
      eroded_voxels(inputs.csf, params.csf_erosion_steps, params.min_voxels),
      eroded_voxels(inputs.white_matter, params.white_matter_erosion_steps, params.min_voxels),
      eroded_voxels(inputs.brain, 0, 1)};
  Outputs out;
  const std::array<Signal*, 3> signals{&out.csf, &out.white_matter, &out.global_signal};
  for (std::size_t m = 0; m < masks.size(); ++m) {
    signals[m]->mean.resize(bold.n_volumes);
    signals[m]->n_voxels = masks[m].voxels.size();
    signals[m]->erosion_steps = masks[m].steps;
  }
  parallel_blocks(context, static_cast<std::size_t>(bold.n_volumes), 4,
                  [&](std::size_t begin, std::size_t end) {
                    for (std::size_t t = begin; t < end; ++t) {
                      const float* volume = bold.volume(static_cast<int>(t));
                      for (std::size_t m = 0; m < masks.size(); ++m) {
                        signals[m]->mean[static_cast<Eigen::Index>(t)] =
                            mean_of(volume, masks[m].voxels);
                      }
                    }
                  });
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params&) {
  return shape.n_voxels * (2 + 3 * sizeof(std::size_t)) + 3 * shape.n_volumes * sizeof(double);
}

} // namespace boldmill::tissue_signals
