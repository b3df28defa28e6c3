#include "pipeline/graph/precomputed.hpp"

#include <algorithm>
#include <cmath>

#include "pipeline/bids/text.hpp"
#include "pipeline/image_io/itk_transform.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "stages/core/interpolate.hpp"
#include "stages/core/parallel.hpp"
#include "stages/core/statistics.hpp"

namespace boldmill::graph {
namespace {

constexpr double kSmallestMl = 100.0; // a newborn's brain is 350 ml
constexpr double kLargestMl = 3000.0;
constexpr double kMeasureMm = 2.0;
constexpr double kLargestRoundTripMm = 2.0;

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

PrecomputedFile file_of(const Study& study, const bids::DerivativesIndex& index,
                        const bids::BidsFile& file) {
  const auto path = index.absolute(file);
  const auto digest = study.digests.of(path);
  return {path, {"derivatives:" + index.name + "/" + file.path, digest.bytes, digest.sha256}};
}

const bids::BidsFile* transform_of(const bids::DerivedAnat& anat, const std::string& from,
                                   const std::string& to) {
  for (const bids::DerivedTransform& transform : anat.transforms) {
    if (transform.from == from && transform.to == to && transform.file.problem.empty() &&
        transform.file.extension == ".h5") {
      return &transform.file;
    }
  }
  return nullptr;
}

// The affine map of least squares through pairs of points.
Affine affine_through(const std::vector<Eigen::Vector3d>& from,
                      const std::vector<Eigen::Vector3d>& to) {
  Eigen::MatrixXd x(static_cast<Eigen::Index>(from.size()), 4);
  Eigen::MatrixXd y(static_cast<Eigen::Index>(from.size()), 3);
  for (std::size_t n = 0; n < from.size(); ++n) {
    const auto row = static_cast<Eigen::Index>(n);
    x.row(row) << from[n].transpose(), 1.0;
    y.row(row) = to[n].transpose();
  }
  Affine map = Affine::Identity();
  map.topRows<3>() = x.colPivHouseholderQr().solve(y).transpose();
  return map;
}

double affine_determinant(const PointMap& map) {
  double determinant = 1.0;
  for (const PointMap::Step& step : map.steps) {
    if (const auto* affine = std::get_if<Affine>(&step))
      determinant *= affine->topLeftCorner<3, 3>().determinant();
  }
  return determinant;
}

double jacobian(const PointMap& map, const Eigen::Vector3d& at) {
  Eigen::Matrix3d derivative;
  for (int axis = 0; axis < 3; ++axis) {
    const Eigen::Vector3d step = 0.5 * kMeasureMm * Eigen::Vector3d::Unit(axis);
    derivative.col(axis) = (map(at + step) - map(at - step)) / kMeasureMm;
  }
  return derivative.determinant();
}

bool in_mask(const Mask& mask, const Eigen::Matrix4d& to_voxel, const Eigen::Vector3d& mm) {
  const Eigen::Vector3d voxel =
      to_voxel.topLeftCorner<3, 3>() * mm + to_voxel.topRightCorner<3, 1>();
  if (!inside_image(mask.grid.shape, voxel[0], voxel[1], voxel[2])) return false;
  const auto at = [&](int axis) {
    const int last = mask.grid.shape[static_cast<std::size_t>(axis)] - 1;
    return std::clamp(static_cast<int>(std::lround(voxel[axis])), 0, last);
  };
  return mask.at(at(0), at(1), at(2)) != 0;
}

// Overlap, folding and agreement of both maps on a regular grid over the template.
void measure(const Mask& brain, const Mask& t1w_mask, const Context& context,
             normalization::Outputs& out) {
  const Grid grid = regular_grid_over(brain.grid, kMeasureMm);
  const Eigen::Matrix4d to_brain = brain.grid.affine.inverse();
  const Eigen::Matrix4d to_t1w = t1w_mask.grid.affine.inverse();
  const double scale = std::abs(affine_determinant(out.template_to_moving));
  const std::size_t n = grid.n_voxels();
  std::vector<std::uint8_t> template_in(n), moving_in(n);
  std::vector<double> determinant(n, std::nan("")), error(n, std::nan(""));
  parallel_blocks(context, n, 4096, [&](std::size_t begin, std::size_t end) {
    for (std::size_t v = begin; v < end; ++v) {
      const auto [i, j, k] = grid.coordinates(v);
      const Eigen::Vector3d y = grid.to_mm(Eigen::Vector3d(i, j, k));
      const Eigen::Vector3d x = out.template_to_moving(y);
      moving_in[v] = in_mask(t1w_mask, to_t1w, x) ? 1 : 0;
      template_in[v] = in_mask(brain, to_brain, y) ? 1 : 0;
      if (template_in[v] == 0) continue;
      determinant[v] = jacobian(out.template_to_moving, y) / scale;
      error[v] = (out.moving_to_template(x) - y).norm();
    }
  });
  std::size_t both = 0;
  std::size_t sum = 0;
  out.min_jacobian = std::numeric_limits<double>::infinity();
  out.max_jacobian = -out.min_jacobian;
  std::vector<double> errors;
  for (std::size_t v = 0; v < n; ++v) {
    both += template_in[v] & moving_in[v];
    sum += static_cast<std::size_t>(template_in[v]) + moving_in[v];
    if (template_in[v] == 0) continue;
    out.min_jacobian = std::min(out.min_jacobian, determinant[v]);
    out.max_jacobian = std::max(out.max_jacobian, determinant[v]);
    errors.push_back(error[v]);
  }
  out.dice = sum == 0 ? 0.0 : 2.0 * static_cast<double>(both) / static_cast<double>(sum);
  out.inverse_error_mm = quantile(std::move(errors), 0.95);
}

} // namespace

Precomputed precomputed_of(const Study& study, const bids::ParticipantSession& session) {
  Precomputed found;
  const std::string space = space_label(study.target.space);
  for (const bids::DerivativesIndex& index : study.derivatives) {
    const bids::DerivedAnat anat = index.anatomy(session);
    if (!found.mask && anat.mask && anat.mask->problem.empty()) {
      found.mask = file_of(study, index, *anat.mask);
    }
    if (found.t1w_to_target) continue;
    const bids::BidsFile* forward = transform_of(anat, "T1w", space);
    const bids::BidsFile* backward = transform_of(anat, space, "T1w");
    if (forward != nullptr && backward != nullptr) {
      found.t1w_to_target = file_of(study, index, *forward);
      found.target_to_t1w = file_of(study, index, *backward);
    } else if (forward != nullptr || backward != nullptr) {
      found.warnings.push_back(session.id + ": " + index.name +
                               " has a transform between T1w and " + space +
                               " one way only, expected both; it is not used");
    }
  }
  if (!study.derivatives.empty() && !found.mask && !found.t1w_to_target) {
    found.warnings.push_back(session.id + ": no brain mask and no transforms between T1w and " +
                             space + " in --derivatives, computed instead");
  }
  return found;
}

Mask precomputed_mask(const PrecomputedFile& file, const Grid& t1w, const Context& context) {
  const Mask given = image_io::read_mask(file.path);
  const Mask mask = given.grid.same_as(t1w) ? given : resample_mask(given, t1w, {}, context);
  const double ml = static_cast<double>(count(mask)) * t1w.voxel_volume_mm3() / 1000.0;
  const double all = static_cast<double>(count(given)) * given.grid.voxel_volume_mm3() / 1000.0;
  if (!(ml >= kSmallestMl && ml <= kLargestMl && ml >= 0.95 * all)) {
    throw Error(ErrorKind::input, bids::display(file.record.path) + ": a brain mask of " +
                                      number(all) + " ml, " + number(ml) +
                                      " of them inside the T1w; expected 100 to 3000 ml, nearly "
                                      "all inside: is it of this T1w?");
  }
  return mask;
}

PrecomputedNormalization precomputed_normalization(const Study& study, const Precomputed& files,
                                                   const Mask& t1w_mask, const Context& context) {
  PrecomputedNormalization out;
  normalization::Outputs& warp = out.normalization;
  warp.template_to_moving = image_io::read_xfm(files.t1w_to_target->path);
  warp.moving_to_template = image_io::read_xfm(files.target_to_t1w->path);
  warp.converged = true;
  warp.correlation = warp.local_correlation = std::nan("");
  measure(study.target.mask, t1w_mask, context, warp);
  if (!(warp.inverse_error_mm <= kLargestRoundTripMm)) {
    throw Error(ErrorKind::input, bids::display(files.t1w_to_target->record.path) +
                                      ": there and back with its inverse misses by " +
                                      number(warp.inverse_error_mm) + " mm, expected at most " +
                                      number(kLargestRoundTripMm));
  }
  const std::vector<std::size_t> voxels = indices_of(t1w_mask);
  std::vector<Eigen::Vector3d> from;
  std::vector<Eigen::Vector3d> to;
  for (std::size_t n = 0; n < voxels.size(); n += 1 + voxels.size() / 5000) {
    const auto [i, j, k] = t1w_mask.grid.coordinates(voxels[n]);
    from.push_back(t1w_mask.grid.to_mm(Eigen::Vector3d(i, j, k)));
    to.push_back(warp.moving_to_template(from.back()));
  }
  out.affine.t1w_to_template = affine_through(from, to);
  out.affine.converged = true;
  return out;
}

} // namespace boldmill::graph
