#include "stages/functional/kernels/mirror_evidence.hpp"

#include "stages/core/parallel.hpp"
#include "stages/functional/kernels/rigid_search.hpp"

namespace boldmill {
namespace {

constexpr double kEdgeDistanceMm = 1.5;

struct Fit {
  double similarity = 0.0;
  double edge_cost = 0.0;
};

Fit fit_from(const Affine& start, const MutualInformation& similarity, const WhiteMatterEdge& edge,
             const Volume& bold_brain, const Eigen::Vector3d& center) {
  // A mirrored head is a few mm off: the middle plane of the template is not quite that of the
  // head.
  const RigidFit near =
      fit_rigid(similarity, start, center,
                {.first_step = 2.0, .tolerance = 0.03, .max_rounds = 10, .line_evaluations = 12});
  Fit fit{near.similarity, 0.0};
  if (edge.point_mm.empty()) return fit;
  const auto cost = [&](const Vector6& x) {
    return edge_cost(edge, bold_brain, rigid_inverse(near.map * rigid_move(x, center)),
                     kEdgeDistanceMm)
        .cost;
  };
  fit.edge_cost =
      powell<6>(cost, Vector6::Zero(),
                {.first_step = 1.0, .tolerance = 0.05, .max_rounds = 10, .line_evaluations = 12})
          .value;
  return fit;
}

} // namespace

Affine mid_sagittal_reflection(const Affine& t1w_to_template) {
  const Eigen::RowVector3d row = t1w_to_template.topLeftCorner<1, 3>();
  const Eigen::Vector3d normal = row.transpose().normalized();
  const double offset = t1w_to_template(0, 3) / row.norm(); // normal . p + offset = 0 on the plane
  Affine reflection = Affine::Identity();
  reflection.topLeftCorner<3, 3>() -= 2.0 * normal * normal.transpose();
  reflection.topRightCorner<3, 1>() = -2.0 * offset * normal;
  return reflection;
}

MirrorEvidence mirror_evidence(const MutualInformation& similarity, const WhiteMatterEdge& edge,
                               const Volume& bold_brain, const Affine& bold_to_t1w,
                               const Affine& t1w_mirror, const Eigen::Vector3d& center,
                               const Context& context) {
  const Affine starts[] = {bold_to_t1w, t1w_mirror * bold_to_t1w};
  Fit fits[2];
  parallel_blocks(context, 2, 1, [&](std::size_t n, std::size_t) {
    fits[n] = fit_from(starts[n], similarity, edge, bold_brain, center);
  });
  const auto& [as_is, mirrored] = fits;
  return {mirrored.similarity - as_is.similarity, as_is.edge_cost - mirrored.edge_cost};
}

} // namespace boldmill
