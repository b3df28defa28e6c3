#include "stages/denoise/compcor.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "stages/core/morphology.hpp"
#include "stages/core/parallel.hpp"
#include "stages/core/planned_threads.hpp"
#include "stages/core/statistics.hpp"
#include "stages/denoise/kernels/cosine_basis.hpp"
#include "stages/denoise/kernels/gather.hpp"
#include "stages/denoise/kernels/voxel_gram.hpp"

namespace boldmill::compcor {
namespace {

constexpr float kGreyThreshold = 0.05F; // fMRIPrep
constexpr double kGreyMarginVoxels = 3.0;
constexpr double kCrownVoxels = 2.0;

void check(const Inputs& inputs) {
  const Series& bold = *inputs.bold;
  const std::array<std::pair<const Mask*, const char*>, 5> masks{{{inputs.brain, "brain"},
                                                                  {inputs.csf, "csf"},
                                                                  {inputs.white_matter, "wm"},
                                                                  {inputs.combined, "combined"},
                                                                  {inputs.edge, "edge"}}};
  for (const auto& [mask, name] : masks) {
    if (mask != nullptr && !mask->data.empty() && !mask->grid.same_as(bold.grid)) {
      throw Error(ErrorKind::input,
                  std::string("compcor: the grid of mask ") + name + " differs from the series'");
    }
  }
  if (inputs.brain == nullptr || count(*inputs.brain) == 0) {
    throw Error(ErrorKind::input, "compcor: the brain mask is empty");
  }
  if (!(inputs.tr_s > 0.0)) {
    throw Error(ErrorKind::input, "compcor: repetition time is " + std::to_string(inputs.tr_s) +
                                      " s, expected a positive value");
  }
  if (inputs.n_dummy < 0 || bold.n_volumes - inputs.n_dummy < 4) {
    throw Error(ErrorKind::input, "compcor: found " + std::to_string(bold.n_volumes) +
                                      " volumes of which " + std::to_string(inputs.n_dummy) +
                                      " dummies, expected at least 4 others");
  }
}

// The constant and the cosines of periods over the cut-off, orthonormal.
Eigen::MatrixXd drift_basis(Eigen::Index n, double tr_s, double cutoff_s) {
  const double order = std::floor(2.0 * static_cast<double>(n) * tr_s / cutoff_s);
  const auto last = std::min(n, static_cast<Eigen::Index>(std::max(order, 1.0))) - 1;
  Eigen::MatrixXd out(n, last + 1);
  out << Eigen::VectorXd::Constant(n, 1.0 / std::sqrt(static_cast<double>(n))),
      cosine_basis(n, 1, last);
  return out;
}

// Constant, line and parabola, orthonormal.
Eigen::MatrixXd quadratic_basis(Eigen::Index n) {
  Eigen::MatrixXd p(n, 3);
  const Eigen::VectorXd t = Eigen::VectorXd::LinSpaced(n, -1.0, 1.0);
  p << Eigen::VectorXd::Ones(n), t, t.cwiseAbs2();
  const Eigen::HouseholderQR<Eigen::MatrixXd> qr(p);
  return qr.householderQ() * Eigen::MatrixXd::Identity(n, 3);
}

// SD over time (divisor T) after a quadratic detrend; 0 where a value is not finite.
std::vector<double> detrended_sd(const Inputs& inputs, const std::vector<std::size_t>& voxels,
                                 const Context& context) {
  const Eigen::Index n = inputs.bold->n_volumes - inputs.n_dummy;
  const Eigen::MatrixXd basis = quadratic_basis(n);
  std::vector<double> sd(voxels.size());
  parallel_blocks(context, voxels.size(), 512, [&](std::size_t begin, std::size_t end) {
    Eigen::MatrixXd y =
        gather_columns(*inputs.bold, {&voxels[begin], end - begin}).bottomRows(n).cast<double>();
    y -= basis * (basis.transpose() * y).eval();
    for (std::size_t v = begin; v < end; ++v) {
      const double norm = y.col(static_cast<Eigen::Index>(v - begin)).norm();
      sd[v] = std::isfinite(norm) ? norm / std::sqrt(static_cast<double>(n)) : 0.0;
    }
  });
  return sd;
}

Mask most_variable(const Inputs& inputs, double top_fraction, const Context& context) {
  const std::vector<std::size_t> voxels = indices_of(*inputs.brain);
  const std::vector<double> sd = detrended_sd(inputs, voxels, context);
  // nipype rounds to a whole percentile.
  const double threshold = quantile(sd, std::round(100.0 * (1.0 - top_fraction)) / 100.0);
  Mask out(inputs.brain->grid, 0);
  for (std::size_t v = 0; v < voxels.size(); ++v) out.data[voxels[v]] = sd[v] >= threshold ? 1 : 0;
  return out;
}

Eigen::VectorXd mean_series(const Series& bold, const std::vector<std::size_t>& voxels,
                            const Context& context) {
  Eigen::VectorXd out(bold.n_volumes);
  parallel_blocks(context, static_cast<std::size_t>(bold.n_volumes), 4,
                  [&](std::size_t begin, std::size_t end) {
                    for (std::size_t t = begin; t < end; ++t) {
                      const float* volume = bold.volume(static_cast<int>(t));
                      double sum = 0.0;
                      std::size_t n = 0;
                      for (const std::size_t v : voxels) {
                        if (!std::isfinite(volume[v])) continue;
                        sum += static_cast<double>(volume[v]);
                        ++n;
                      }
                      out[static_cast<Eigen::Index>(t)] = sum / static_cast<double>(n);
                    }
                  });
  return out;
}

struct Request {
  const Mask* mask;
  const char *prefix, *method, *mask_name;
  int n_components;
};

void decompose(const Inputs& inputs, const Params& params, const Request& request,
               const Eigen::MatrixXd& drift, const Context& context, Outputs& out) {
  if (request.mask == nullptr || request.mask->data.empty()) return;
  const std::vector<std::size_t> voxels = indices_of(*request.mask);
  if (voxels.empty()) return;
  const Eigen::MatrixXd gram = voxel_gram(*inputs.bold, voxels, inputs.n_dummy, drift, context);
  context.check_stop();
  const PrincipalComponents found =
      principal_components(gram, voxels.size(), params.variance_fraction, request.n_components);
  ComponentSet set;
  set.prefix = request.prefix;
  set.method = request.method;
  set.mask = request.mask_name;
  set.n_voxels = voxels.size();
  set.mean = mean_series(*inputs.bold, voxels, context);
  set.components = Eigen::MatrixXd::Zero(inputs.bold->n_volumes, found.vectors.cols());
  set.components.bottomRows(found.vectors.rows()) = found.vectors;
  set.singular_value = found.singular_value;
  set.variance_explained = found.variance_explained;
  set.cumulative_variance_explained = found.variance_explained;
  for (Eigen::Index k = 1; k < set.cumulative_variance_explained.size(); ++k) {
    set.cumulative_variance_explained[k] += set.cumulative_variance_explained[k - 1];
  }
  out.sets.push_back(std::move(set));
}

// A mask whose edges are counted in voxels.
Mask in_voxels(const Mask& mask) {
  Mask out = mask;
  out.grid.affine = Eigen::Matrix4d::Identity();
  return out;
}

} // namespace

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  check(inputs);
  const Eigen::MatrixXd drift =
      drift_basis(inputs.bold->n_volumes - inputs.n_dummy, inputs.tr_s, params.cosine_cutoff_s);
  Outputs out;
  if (params.top_fraction > 0.0) {
    out.high_variance = most_variable(inputs, params.top_fraction, context);
  }
  const int n = params.n_components;
  const std::array<Request, 4> requests{
      {{&out.high_variance, "t_comp_cor_", "tCompCor", "", n},
       {inputs.csf, "c_comp_cor_", "aCompCor", "CSF", n},
       {inputs.white_matter, "w_comp_cor_", "aCompCor", "WM", n},
       {inputs.combined, "a_comp_cor_", "aCompCor", "combined", n}}};
  for (const Request& request : requests) decompose(inputs, params, request, drift, context, out);
  if (params.n_edge_components > 0) {
    decompose(inputs, params,
              {inputs.edge, "edge_comp_", "EdgeRegressor", "Edge", params.n_edge_components}, drift,
              context, out);
  }
  return out;
}

TissueMaps tissue_maps(const Volume& grey, const Volume& white_matter, const Volume& csf,
                       const Context& context) {
  if (!grey.grid.same_as(white_matter.grid) || !grey.grid.same_as(csf.grid)) {
    throw Error(ErrorKind::input, "compcor: the tissue maps are not on one grid");
  }
  Mask some_grey(grey.grid, 0);
  for (std::size_t v = 0; v < grey.data.size(); ++v) {
    some_grey.data[v] = grey.data[v] > kGreyThreshold ? 1 : 0;
  }
  const Mask near_grey = dilate(in_voxels(some_grey), kGreyMarginVoxels, context);
  TissueMaps out{csf, white_matter, csf};
  for (std::size_t v = 0; v < near_grey.data.size(); ++v) {
    const bool near = near_grey.data[v] != 0;
    if (near) out.white_matter.data[v] = 0.0F;
    out.combined.data[v] = near ? 0.0F : csf.data[v] + white_matter.data[v];
  }
  return out;
}

Mask binarize(const Volume& probability, const Mask& brain, float threshold) {
  Mask out(brain.grid, 0);
  for (std::size_t v = 0; v < out.data.size(); ++v) {
    out.data[v] = brain.data[v] != 0 && probability.data[v] >= threshold ? 1 : 0;
  }
  return out;
}

Mask crown_mask(const Mask& brain, const Mask* anatomical, const Context& context) {
  Mask both = brain;
  if (anatomical != nullptr && !anatomical->data.empty()) {
    if (!anatomical->grid.same_as(brain.grid)) {
      throw Error(ErrorKind::input, "compcor: the anatomical mask is not on the grid of the brain");
    }
    for (std::size_t v = 0; v < both.data.size(); ++v) both.data[v] |= anatomical->data[v];
  }
  Mask out = dilate(in_voxels(both), kCrownVoxels, context);
  out.grid = brain.grid;
  for (std::size_t v = 0; v < out.data.size(); ++v) {
    if (both.data[v] != 0) out.data[v] = 0;
  }
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params&) {
  const std::size_t square = shape.n_volumes * shape.n_volumes * sizeof(double);
  return 22 * square + kPlannedThreads * 512 * shape.n_volumes * (sizeof(double) + sizeof(float)) +
         shape.n_voxels * (2 * sizeof(double) + sizeof(std::size_t) + 2);
}

} // namespace boldmill::compcor
