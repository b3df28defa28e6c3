#include "pipeline/simulate/session.hpp"

#include <algorithm>
#include <cmath>

#include "pipeline/image_io/nifti.hpp"
#include "pipeline/simulate/run.hpp"
#include "pipeline/simulate/sidecars.hpp"
#include "pipeline/simulate/t1w.hpp"

namespace boldmill::simulate {
namespace {

const Eigen::Vector3d kHeadCenter_mm(0.0, -14.0, 17.0); // of the anatomy
const Eigen::Vector3d kBrainCenter_mm(0.0, -18.0, 15.0);

image_io::WriteOptions stored_int16() {
  return {.type = image_io::StoredType::int16, .space_code = 1};
}

std::string run_name(const std::string& task) { return "task-" + task; }

// Everything of a session that its runs share.
struct SessionState {
  const Study& study;
  const Person& person;
  const Site& site;
  int session;
  Names names;
  Shape shape;
  Affine t1w_to_bold;
  Grid t1w_grid;
  Phantom phantom;

  [[nodiscard]] std::uint64_t seed(std::string_view purpose, const std::string& item = {}) const {
    return stream_seed(static_cast<std::uint64_t>(study.params.random_seed), purpose,
                       person.label + "/" + std::to_string(session) + "/" + item);
  }
  [[nodiscard]] Eigen::Vector3d center() const { return phantom.bold.center_mm(); }
  [[nodiscard]] NoiseParams noise() const {
    NoiseParams noise;
    noise.factor = study.params.noise;
    return noise;
  }
};

SessionState prepare(const Study& study, const Person& person, int session, const Names& names,
                     const Context& context) {
  const Site& site = study.sites[static_cast<std::size_t>(person.site)];
  SessionState s{study, person, site, session, names, {}, Affine::Identity(), {}, {}};
  Random of_shape(
      stream_seed(static_cast<std::uint64_t>(study.params.random_seed), "shape", person.label));
  ShapeParams shape;
  shape.mean_size = person.sex == "M" ? 1.015 : 0.985;
  s.shape = draw_shape(study.anatomy, shape, of_shape, context);
  const auto whole = [](const Eigen::Vector3d& mm) { return Eigen::Vector3d(mm.array().round()); };
  s.t1w_grid = make_grid(site.t1w, whole(s.shape.anatomy_to_person(kHeadCenter_mm)));
  Random of_pose(s.seed("pose"));
  RigidParameters pose;
  for (int a = 0; a < 3; ++a) {
    pose.translation_mm[a] = 2.0 * of_pose.normal();
    pose.rotation_rad[a] = 0.02 * of_pose.normal();
  }
  const Eigen::Vector3d brain = s.shape.anatomy_to_person(kBrainCenter_mm);
  s.t1w_to_bold = rigid_matrix(pose, brain);
  const Eigen::Vector3d in_bold =
      s.t1w_to_bold.topLeftCorner<3, 3>() * brain + s.t1w_to_bold.topRightCorner<3, 1>();
  PointMap bold_to_anatomy;
  bold_to_anatomy.then(Affine(s.t1w_to_bold.inverse())).then(s.shape.person_to_anatomy());
  s.phantom = build_phantom({study.anatomy, bold_to_anatomy, make_grid(site.bold, whole(in_bold)),
                             site, study.params.distortion},
                            context);
  return s;
}

void write_t1w(const SessionState& s, const Context& context) {
  const T1wInputs inputs{.contrast = s.study.contrasts[static_cast<std::size_t>(s.person.site)],
                         .person_to_anatomy = s.shape.person_to_anatomy(),
                         .grid = s.t1w_grid,
                         .gain = 0.9 * s.site.gain,
                         .noise_percent = 2.5 * s.study.params.noise * s.site.noise_factor};
  image_io::write_volume(s.names.raw("anat", "T1w.nii.gz"),
                         acquire_t1w(inputs, s.seed("t1w"), context), stored_int16());
  write_json(s.names.raw("anat", "T1w.json"), t1w_json(s.site));
}

void write_bold(const SessionState& s, const std::string& task, const Eigen::MatrixXd& weights,
                SessionTruth& truth, const Context& context) {
  const SimulationParams& params = s.study.params;
  const int n_volumes = volumes_of(params, task) + params.dummy_scans;
  const double tr_s = s.site.tr_s;
  Random random(s.seed("design", task));
  const Design design = make_design(task, params.dummy_scans * tr_s, n_volumes * tr_s, random);
  std::array<double, kEdges> person_z{};
  const SourceModel model = person_model(params, s.person, s.session, task, person_z);
  const SourceSignals signals = make_signals(model, design, n_volumes * tr_s, random);
  const Poses poses =
      draw_poses(params, s.site, s.person, n_volumes, s.center(), s.seed("motion", task));
  const RunInputs inputs{.phantom = s.phantom,
                         .site = s.site,
                         .person = s.person,
                         .signals = &signals,
                         .poses = poses,
                         .noise = s.noise(),
                         .phase_positive = s.site.phase_positive,
                         .dummy_scans = params.dummy_scans,
                         .seed = s.seed("run", task),
                         .coil_seed = s.seed("coil")};
  const std::string run = run_name(task);
  image_io::SeriesWriter writer(s.names.raw("func", run + "_bold.nii.gz"), s.phantom.bold,
                                n_volumes, tr_s, stored_int16());
  acquire(
      inputs, [&](std::span<const float> volume) { writer.append(volume); }, context);
  writer.close();
  write_json(s.names.raw("func", run + "_bold.json"), bold_json(s.site, task, "pepolar"));
  if (task != "rest") write_events(s.names.raw("func", run + "_events.tsv"), design);
  write_motion(s.names, run, s.site, poses, s.t1w_to_bold);
  write_sources(s.names, run, signals, tr_s, n_volumes);
  const RunId id{s.names.subject, s.names.session, task};
  append_truth(id, model, design, person_z,
               fluctuation_at_volumes(signals, tr_s, params.dummy_scans, n_volumes), weights,
               truth);
  truth.motion.push_back(summarize_motion(id, poses));
}

void write_field_pair(const SessionState& s, const Context& context) {
  std::vector<std::string> intended;
  for (const std::string& task : s.study.params.tasks) {
    intended.push_back("bids::" + (s.names.folder("func") /
                                   (s.names.stem() + "_" + run_name(task) + "_bold.nii.gz"))
                                      .generic_string());
  }
  Random random(s.seed("fmap pose"));
  RigidParameters pose;
  for (int a = 0; a < 3 && s.study.params.motion != "none"; ++a) {
    pose.translation_mm[a] = 0.3 * random.normal();
    pose.rotation_rad[a] = 0.004 * random.normal();
  }
  const Poses poses = still(pose, s.center());
  for (const bool positive : {true, false}) {
    const std::string label = direction_label(s.phantom.bold, positive);
    const RunInputs inputs{.phantom = s.phantom,
                           .site = s.site,
                           .person = s.person,
                           .signals = nullptr,
                           .poses = poses,
                           .noise = s.noise(),
                           .phase_positive = positive,
                           .dummy_scans = 0,
                           .seed = s.seed("fmap", label),
                           .coil_seed = s.seed("coil")};
    Volume image(s.phantom.bold);
    acquire(
        inputs,
        [&](std::span<const float> v) { std::copy(v.begin(), v.end(), image.data.begin()); },
        context);
    image_io::write_volume(s.names.raw("fmap", "dir-" + label + "_epi.nii.gz"), image,
                           stored_int16());
    write_json(s.names.raw("fmap", "dir-" + label + "_epi.json"),
               epi_json(s.site, positive, "pepolar", intended));
  }
  write_motion(s.names, "fmap", s.site, poses, s.t1w_to_bold);
}

// The field on the BOLD grid (reference pose), labels on the T1w grid, and the person's shape.
double write_truth_images(const SessionState& s, const Context& context) {
  const Phantom& p = s.phantom;
  Volume field(p.bold);
  double largest = 0.0;
  for (std::size_t a = 0; a < p.active.size(); ++a) {
    const std::array<int, 3> ijk = p.bold.coordinates(p.active[a]);
    double sum = 0.0;
    for (int corner = 0; corner < 8; ++corner) {
      sum += static_cast<double>(
          p.field_hz[p.fine.index(kFine * ijk[0] + kFineMargin + (corner & 1),
                                  kFine * ijk[1] + kFineMargin + ((corner >> 1) & 1),
                                  kFine * ijk[2] + kFineMargin + (corner >> 2))]);
    }
    field.data[p.active[a]] = static_cast<float>(sum / 8.0);
    if (p.brain[a] > 0.5F) largest = std::max(largest, std::abs(sum / 8.0));
  }
  const double shift_voxels = largest * s.site.readout_s;
  if (!s.study.params.truth_images) return shift_voxels;
  image_io::write_volume(s.names.truth("fieldmap.nii.gz"), field,
                         {.type = image_io::StoredType::int16, .slope = 0.02, .space_code = 1});
  const PointMap to_anatomy = s.shape.person_to_anatomy();
  image_io::write_labels(s.names.truth("space-T1w_dseg.nii.gz"),
                         tissue_labels(s.study.anatomy, to_anatomy, s.t1w_grid, context),
                         {.space_code = 1});
  image_io::write_labels(s.names.truth("space-T1w_desc-sources_dseg.nii.gz"),
                         source_labels(s.study.anatomy, to_anatomy, s.t1w_grid, context),
                         {.space_code = 1});
  if (s.shape.warp) {
    const DisplacementField& warp = *s.shape.warp;
    Series image{.grid = warp.grid, .n_volumes = 3, .tr_s = 0.0, .data = {}};
    image.data.resize(warp.mm.size());
    for (std::size_t v = 0; v < warp.grid.n_voxels(); ++v) {
      for (std::size_t c = 0; c < 3; ++c) {
        image.data[c * warp.grid.n_voxels() + v] = warp.mm[3 * v + c];
      }
    }
    image_io::write_series(s.names.truth("from-T1w_to-anatomy_desc-warp_xfm.nii.gz"), image,
                           {.type = image_io::StoredType::int16, .slope = 0.001, .space_code = 1});
  }
  return shift_voxels;
}

void write_shape(const SessionState& s) {
  Json rows = Json::array();
  const Affine& m = s.shape.person_to_anatomy_affine;
  for (int i = 0; i < 4; ++i) rows.push_back({m(i, 0), m(i, 1), m(i, 2), m(i, 3)});
  write_json(s.names.truth("from-T1w_to-anatomy_xfm.json"),
             {{"Description",
               "Point map from scanner coordinates of the T1w image (RAS, mm) to the anatomy: the "
               "affine, then y = x + u(x) with u (mm, three volumes: x, y, z) linear between the "
               "lattice points of desc-warp_xfm.nii.gz and constant beyond its edge."},
              {"affine", rows},
              {"smallest_jacobian_of_warp", s.shape.min_jacobian}});
}

} // namespace

SessionTruth write_session(const Study& study, const Person& person, int session,
                           const std::filesystem::path& root, const Context& context) {
  const Names names{.root = root,
                    .subject = "sub-" + person.label,
                    .session =
                        study.params.sessions > 1 ? "ses-" + std::to_string(session + 1) : ""};
  for (const char* datatype : {"anat", "func", "fmap"}) {
    std::filesystem::create_directories(root / names.folder(datatype));
  }
  std::filesystem::create_directories(names.truth("x").parent_path());
  SessionState s = prepare(study, person, session, names, context);
  SessionTruth truth;
  write_t1w(s, context);
  const Eigen::MatrixXd weights =
      seen_weights(s.phantom, study.anatomy.places, [&s](const Eigen::Vector3d& anatomy_mm) {
        const Eigen::Vector3d in_t1w = s.shape.anatomy_to_person(anatomy_mm);
        return Eigen::Vector3d(s.t1w_to_bold.topLeftCorner<3, 3>() * in_t1w +
                               s.t1w_to_bold.topRightCorner<3, 1>());
      });
  for (const std::string& task : study.params.tasks) write_bold(s, task, weights, truth, context);
  write_field_pair(s, context);
  truth.max_shift_voxels = write_truth_images(s, context);
  write_shape(s);
  return truth;
}

} // namespace boldmill::simulate
