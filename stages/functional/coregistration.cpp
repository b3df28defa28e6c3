#include "stages/functional/coregistration.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "stages/core/error.hpp"
#include "stages/core/interpolate.hpp"
#include "stages/core/morphology.hpp"
#include "stages/core/parallel.hpp"
#include "stages/core/smooth.hpp"
#include "stages/functional/kernels/mirror_evidence.hpp"
#include "stages/functional/kernels/rigid_search.hpp"
#include "stages/functional/kernels/white_matter_edge.hpp"

namespace boldmill::coregistration {
namespace {

constexpr double kHeadRadiusMm = 80.0;
constexpr double kHeaderBonus = 0.002; // NMI by which another start must beat the headers
constexpr double kFarBonus = 0.01;     // and a start turned by 90 degrees or more
constexpr std::size_t kEdgePoints = 20000;
constexpr std::size_t kLeastEdgePoints = 1000;
constexpr double kEdgeDistanceMm = 1.5;
constexpr double kLeastContrast = 0.5;  // %, below which the edge does not decide
constexpr double kLargestStretch = 0.2; // of a head between two scans
constexpr double kLargestLoss = 0.01;   // of NMI that a refinement may cost

struct Start {
  std::string name;
  Affine bold_to_t1w;
  double handicap = 0.0;
};

struct Candidate {
  Affine bold_to_t1w;
  double similarity = 0.0;
  std::size_t start = 0;
};

struct Images {
  Volume bold;       // finite, not negative
  Volume bold_brain; // 0 outside the BOLD mask
  Volume t1w_brain;  // 0 outside the T1w mask
  Eigen::Vector3d bold_center;
  Eigen::Vector3d t1w_center;
};

Volume cleaned(const Volume& volume, const Mask* mask) {
  Volume out = volume;
  for (std::size_t v = 0; v < out.data.size(); ++v) {
    const bool keep =
        std::isfinite(out.data[v]) && out.data[v] > 0.0F && (mask == nullptr || mask->data[v] != 0);
    if (!keep) out.data[v] = 0.0F;
  }
  return out;
}

Eigen::Vector3d mask_center(const Mask& mask) {
  Volume volume(mask.grid);
  std::copy(mask.data.begin(), mask.data.end(), volume.data.begin());
  return center_of_mass_mm(volume);
}

Affine translation(const Eigen::Vector3d& mm) {
  Affine matrix = Affine::Identity();
  matrix.topRightCorner<3, 1>() = mm;
  return matrix;
}

// One scale: both images reduced to about `spacing_mm`; the points are the BOLD mask and a shell.
MutualInformation make_similarity(const Images& images, const Mask& bold_mask, double spacing_mm,
                                  std::size_t max_points, const Context& context) {
  const Volume bold = downsample(images.bold, spacing_mm, context);
  const Volume t1w = downsample(images.t1w_brain, spacing_mm, context);
  const Mask near = dilate(bold_mask, 12.0, context);
  const Mask region = resample_mask(near, bold.grid, PointMap{}, context);
  return MutualInformation(bold, region, t1w, max_points);
}

std::vector<Start> near_starts(const Images& images) {
  std::vector<Start> starts;
  starts.push_back({"header", Affine::Identity(), 0.0});
  const Affine centered = translation(images.t1w_center - images.bold_center);
  const double d = kArmMm * std::numbers::pi / 180.0;
  struct Turn {
    const char* name;
    Vector6 x;
  };
  std::vector<Turn> turns;
  turns.push_back({"", Vector6::Zero()});
  for (const double degrees : {-30.0, -15.0, 15.0, 30.0}) {
    Vector6 pitch = Vector6::Zero();
    pitch[3] = degrees * d;
    turns.push_back({" pitched", pitch});
  }
  for (const double mm : {-40.0, -20.0, 20.0, 40.0}) {
    Vector6 shift = Vector6::Zero();
    shift[2] = mm;
    turns.push_back({" shifted", shift});
  }
  for (const auto& [name, x] : turns) {
    const Affine motion = rigid_move(x, images.bold_center);
    starts.push_back({std::string("center_of_mass") + name, centered * motion, kHeaderBonus});
    if (name[0] != '\0') starts.push_back({std::string("header") + name, motion, kHeaderBonus});
  }
  return starts;
}

// The 23 other orientations of a cube about the centre, on the centres of mass.
std::vector<Start> far_starts(const Images& images) {
  std::vector<Start> starts;
  const Affine centered = translation(images.t1w_center - images.bold_center);
  std::vector<Eigen::Matrix3d> seen{Eigen::Matrix3d::Identity()};
  for (int n = 1; n < 64; ++n) {
    const double quarter = std::numbers::pi / 2.0;
    const Vector6 x =
        (Vector6() << 0.0, 0.0, 0.0, quarter * (n % 4), quarter * (n / 4 % 4), quarter * (n / 16))
            .finished();
    Vector6 scaled = x;
    scaled.tail<3>() *= kArmMm;
    const Affine turn = rigid_move(scaled, images.bold_center);
    const Eigen::Matrix3d rotation = turn.topLeftCorner<3, 3>();
    const bool known = std::any_of(seen.begin(), seen.end(), [&](const Eigen::Matrix3d& other) {
      return (rotation - other).norm() < 0.1;
    });
    if (known) continue;
    seen.push_back(rotation);
    starts.push_back({"rotated", centered * turn, kFarBonus});
  }
  return starts;
}

// Every start at the coarse scale, the best few at the middle scale; best first.
std::vector<Candidate> search(const std::vector<Start>& starts, const Images& images,
                              const MutualInformation& coarse, const MutualInformation& middle,
                              const Context& context) {
  std::vector<Candidate> candidates(starts.size());
  const auto refine = [&](const MutualInformation& similarity, const PowellOptions& options) {
    parallel_blocks(context, candidates.size(), 1, [&](std::size_t begin, std::size_t end) {
      for (std::size_t c = begin; c < end; ++c) {
        const std::size_t start = candidates[c].start;
        const RigidFit fit =
            fit_rigid(similarity, candidates[c].bold_to_t1w, images.bold_center, options);
        candidates[c] = {fit.map, fit.similarity, start};
      }
    });
    std::stable_sort(
        candidates.begin(), candidates.end(), [&](const Candidate& a, const Candidate& b) {
          return a.similarity - starts[a.start].handicap > b.similarity - starts[b.start].handicap;
        });
  };
  for (std::size_t s = 0; s < starts.size(); ++s) {
    candidates[s] = {starts[s].bold_to_t1w, 0.0, s};
  }
  refine(coarse, {.first_step = 6.0, .tolerance = 0.4, .max_rounds = 8, .line_evaluations = 10});
  // Starts that met in one place need no second look; the headers always get one.
  std::vector<Candidate> distinct;
  for (const Candidate& candidate : candidates) {
    const auto same = std::find_if(distinct.begin(), distinct.end(), [&](const Candidate& other) {
      return rms_displacement_mm(candidate.bold_to_t1w, other.bold_to_t1w, images.bold_center,
                                 kHeadRadiusMm) < 4.0;
    });
    const bool met = same != distinct.end();
    if (met && candidate.start == 0) same->start = 0;
    if (!met && (distinct.size() < 4 || candidate.start == 0)) distinct.push_back(candidate);
  }
  candidates = std::move(distinct);
  refine(middle, {.first_step = 2.0, .tolerance = 0.1, .max_rounds = 8, .line_evaluations = 12});
  return candidates;
}

struct Overlap {
  double dice = 0.0;
  double coverage = 0.0;
};

Overlap overlap(const Inputs& inputs, const Affine& bold_to_t1w, const Context& context) {
  const PointMap to_t1w{{bold_to_t1w}};
  const Mask carried = resample_mask(*inputs.t1w_mask, inputs.bold_mask->grid, to_t1w, context);
  Overlap result;
  const double shared = dice(carried, *inputs.bold_mask);
  result.dice = std::isfinite(shared) ? shared : 0.0;
  const double inside_ml = static_cast<double>(count(carried)) * carried.grid.voxel_volume_mm3();
  const double brain_ml =
      static_cast<double>(count(*inputs.t1w_mask)) * inputs.t1w_mask->grid.voxel_volume_mm3();
  result.coverage = std::min(1.0, inside_ml / brain_ml);
  return result;
}

// Six of rigid_move, then scales along the axes of the BOLD grid and shears between them, in mm of
// a point kArmMm from the centre.
template <int N>
Affine linear_move(const Eigen::Matrix<double, N, 1>& x, const Images& images) {
  const Affine rigid = rigid_move(Vector6(x.template head<6>()), images.bold_center);
  if constexpr (N == 6) {
    return rigid;
  } else {
    Eigen::Matrix3d stretch = Eigen::Matrix3d::Identity();
    for (int a = 0; a < 3; ++a) stretch(a, a) += x[6 + a] / kArmMm;
    if constexpr (N == 12) {
      stretch(0, 1) = x[9] / kArmMm;
      stretch(0, 2) = x[10] / kArmMm;
      stretch(1, 2) = x[11] / kArmMm;
    }
    Eigen::Matrix3d axes = images.bold.grid.affine.topLeftCorner<3, 3>();
    axes.colwise().normalize();
    Affine move = Affine::Identity();
    move.topLeftCorner<3, 3>() = axes * stretch * axes.inverse();
    move.topRightCorner<3, 1>() =
        images.bold_center - move.topLeftCorner<3, 3>() * images.bold_center;
    return rigid * move;
  }
}

// The largest singular value of a map's linear part, and the inverse of the smallest, less 1.
double largest_stretch(const Affine& map) {
  const Eigen::Vector3d sizes =
      Eigen::JacobiSVD<Eigen::Matrix3d>(map.topLeftCorner<3, 3>()).singularValues();
  return std::max(sizes[0], 1.0 / std::max(sizes[2], 1e-6)) - 1.0;
}

struct Refined {
  Affine bold_to_t1w;
  EdgeCost cost;
};

template <int N>
Refined least_edge_cost(const WhiteMatterEdge& edge, const Images& images, const Affine& start) {
  using Step = Eigen::Matrix<double, N, 1>;
  const auto map_of = [&](const Step& x) { return Affine(start * linear_move<N>(x, images)); };
  const auto cost_at = [&](const Step& x) {
    const Affine back = N == 6 ? rigid_inverse(map_of(x)) : Affine(map_of(x).inverse());
    return edge_cost(edge, images.bold_brain, back, kEdgeDistanceMm);
  };
  const auto result =
      powell<N>([&](const Step& x) { return cost_at(x).cost; }, Step(Step::Zero()),
                {.first_step = 1.0, .tolerance = 0.02, .max_rounds = 15, .line_evaluations = 12});
  return {map_of(result.x), cost_at(result.x)};
}

std::string two_places(double value) {
  std::string text = std::to_string(value);
  return text.substr(0, text.find('.') + 3);
}

// Moves the map to the least edge cost; leaves it alone when the edge says nothing.
void refine_on_edges(const WhiteMatterEdge& edge, const Params& params, const Images& images,
                     const MutualInformation& fine, Outputs& out) {
  out.edge_contrast = std::numeric_limits<double>::quiet_NaN();
  if (!params.refine_on_edges) {
    out.edge_reason = "switched off";
    return;
  }
  if (edge.point_mm.empty()) {
    out.edge_reason = "the T1w shows too little of a white-matter edge";
    return;
  }
  const Affine before = out.bold_to_t1w;
  Refined refined = least_edge_cost<6>(edge, images, before);
  if (params.degrees_of_freedom == 9) {
    refined = least_edge_cost<9>(edge, images, refined.bold_to_t1w);
  } else if (params.degrees_of_freedom == 12) {
    refined = least_edge_cost<12>(edge, images, refined.bold_to_t1w);
  }
  const Affine& after = refined.bold_to_t1w;
  out.edge_contrast = refined.cost.contrast;
  const double moved = rms_displacement_mm(after, before, images.bold_center, kHeadRadiusMm);
  if (!(refined.cost.contrast > kLeastContrast)) {
    out.edge_reason = "the BOLD has a contrast of " + two_places(refined.cost.contrast) +
                      " % over it, expected at least " + two_places(kLeastContrast);
  } else if (moved > params.max_refinement_mm) {
    out.edge_reason = "it moves the head by " + two_places(moved) + " mm, expected at most " +
                      two_places(params.max_refinement_mm);
  } else if (largest_stretch(after) > kLargestStretch) {
    out.edge_reason = "it stretches the head by more than a fifth";
  } else if (fine(after) < fine(before) - kLargestLoss) {
    out.edge_reason = "it costs " + std::to_string(fine(before) - fine(after)).substr(0, 6) +
                      " of mutual information";
  }
  if (!out.edge_reason.empty()) return;
  out.bold_to_t1w = after;
  out.refinement_mm = moved;
  out.largest_stretch = params.degrees_of_freedom > 6 ? largest_stretch(after) : 0.0;
  out.edges_used = true;
}

void judge(const Params& params, Outputs& out) {
  const auto doubt = [&](const std::string& reason) {
    out.doubtful = true;
    out.reason += (out.reason.empty() ? "" : "; ") + reason;
  };
  if (!(out.dice >= params.min_dice)) {
    doubt("overlap of the brain masks is " + two_places(out.dice) + ", expected at least " +
          two_places(params.min_dice));
  }
  if (out.header_rotation_deg > params.max_header_rotation_deg) {
    doubt("turned by " + two_places(out.header_rotation_deg) + " degrees against the headers");
  }
  if (out.mirror_similarity_gain > params.max_mirror_gain) {
    doubt("it fits better with left and right exchanged, by " +
          std::to_string(out.mirror_similarity_gain).substr(0, 6) + " of mutual information");
  }
}

void check(const Inputs& inputs) {
  if (inputs.boldref == nullptr || inputs.bold_mask == nullptr || inputs.t1w == nullptr ||
      inputs.t1w_mask == nullptr) {
    throw Error(ErrorKind::internal, "coregistration: an input is not set");
  }
  const auto check_mask = [](const Mask& mask, const Volume& image, const std::string& name) {
    if (!mask.grid.same_as(image.grid, 0.01)) {
      throw Error(ErrorKind::input,
                  "coregistration: the " + name + " mask is on another grid than the " + name);
    }
    if (count(mask) < 100) {
      throw Error(ErrorKind::input, "coregistration: found " + std::to_string(count(mask)) +
                                        " voxels in the " + name + " mask, expected at least 100");
    }
  };
  check_mask(*inputs.bold_mask, *inputs.boldref, "BOLD");
  check_mask(*inputs.t1w_mask, *inputs.t1w, "T1w");
}

} // namespace

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  check(inputs);
  if (params.degrees_of_freedom != 6 && params.degrees_of_freedom != 9 &&
      params.degrees_of_freedom != 12) {
    throw Error(ErrorKind::usage, "coregistration: degrees_of_freedom: found " +
                                      std::to_string(params.degrees_of_freedom) +
                                      ", expected 6, 9 or 12");
  }
  Images images{cleaned(*inputs.boldref, nullptr), cleaned(*inputs.boldref, inputs.bold_mask),
                cleaned(*inputs.t1w, inputs.t1w_mask), mask_center(*inputs.bold_mask),
                mask_center(*inputs.t1w_mask)};
  const MutualInformation coarse = make_similarity(images, *inputs.bold_mask, 8.0, 3000, context);
  const MutualInformation middle = make_similarity(images, *inputs.bold_mask, 4.0, 12000, context);
  std::vector<Start> starts = near_starts(images);
  const std::vector<Start> far = far_starts(images);
  starts.insert(starts.end(), far.begin(), far.end());
  const std::vector<Candidate> candidates = search(starts, images, coarse, middle, context);
  const double fine_mm = std::clamp(inputs.boldref->grid.spacing_mm().minCoeff(), 1.5, 4.0);
  const MutualInformation fine =
      make_similarity(images, *inputs.bold_mask, fine_mm, 40000, context);
  const RigidFit best =
      fit_rigid(fine, candidates.front().bold_to_t1w, images.bold_center,
                {.first_step = 1.0, .tolerance = 0.02, .max_rounds = 10, .line_evaluations = 12});
  Outputs out;
  out.start = starts[candidates.front().start].name;
  out.bold_to_t1w = best.map;
  WhiteMatterEdge edge = white_matter_edge(*inputs.t1w, *inputs.t1w_mask, kEdgePoints, context);
  if (edge.point_mm.size() < kLeastEdgePoints) edge = {};
  refine_on_edges(edge, params, images, fine, out);
  if (inputs.t1w_mirror != nullptr) {
    const MirrorEvidence evidence =
        mirror_evidence(fine, edge, images.bold_brain, out.bold_to_t1w, *inputs.t1w_mirror,
                        images.bold_center, context);
    out.mirror_similarity_gain = evidence.similarity_gain;
    out.mirror_edge_gain = evidence.edge_gain;
  }
  out.cost = 2.0 - fine(out.bold_to_t1w);
  const Overlap shared = overlap(inputs, out.bold_to_t1w, context);
  out.dice = shared.dice;
  out.t1w_coverage = shared.coverage;
  out.header_displacement_mm =
      rms_displacement_mm(out.bold_to_t1w, Affine::Identity(), images.bold_center, kHeadRadiusMm);
  Eigen::JacobiSVD<Eigen::Matrix3d> parts(out.bold_to_t1w.topLeftCorner<3, 3>(),
                                          Eigen::ComputeFullU | Eigen::ComputeFullV);
  const Eigen::Matrix3d rotation = parts.matrixU() * parts.matrixV().transpose();
  out.header_rotation_deg = Eigen::AngleAxisd(rotation).angle() * 180.0 / std::numbers::pi;
  judge(params, out);
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params& /*params*/) {
  // Cleaned copies and the working image of the edge; the distance transform of the erosion; the
  // edge's crossings and the samples of the similarities.
  return (shape.n_bold_voxels + shape.n_t1w_voxels) * 8 * sizeof(float);
}

} // namespace boldmill::coregistration
