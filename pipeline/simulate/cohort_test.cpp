// Whole cohorts of one or two people, from an anatomy made here: an ellipsoid with folds.
#include <gtest/gtest.h>
#include <tbb/global_control.h>
#include <tbb/task_arena.h>
#include <unistd.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "pipeline/bids/files.hpp"
#include "pipeline/bids/tsv.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "pipeline/simulate/simulate.hpp"
#include "stages/core/interpolate.hpp"
#include "stages/core/statistics.hpp"

namespace boldmill::simulate {
namespace {

namespace fs = std::filesystem;

Volume ellipsoid_brain() {
  Grid grid{.shape = {61, 73, 61}, .affine = Eigen::Matrix4d::Identity()};
  grid.affine.topLeftCorner<3, 3>() *= 3.0;
  grid.affine.topRightCorner<3, 1>() = Eigen::Vector3d(-90, -126, -72);
  Volume brain(grid);
  for (std::size_t v = 0; v < brain.data.size(); ++v) {
    const std::array<int, 3> ijk = grid.coordinates(v);
    const Eigen::Vector3d p = grid.to_mm(Eigen::Vector3d(ijk[0], ijk[1], ijk[2]));
    const Eigen::Vector3d q((p[0]) / 66.0, (p[1] + 18.0) / 84.0, (p[2] - 12.0) / 64.0);
    const double r =
        q.norm() + 0.05 * std::sin(p[0] / 6.0) * std::sin(p[1] / 7.0) * std::sin(p[2] / 5.0);
    if (r > 1.0) continue;
    brain.data[v] = r > 0.93 ? 40.0F : (r > 0.6 ? 85.0F : (r > 0.2 ? 115.0F : 42.0F));
  }
  return brain;
}

class Cohort : public ::testing::Test {
protected:
  void SetUp() override {
    root_ = fs::temp_directory_path() /
            ("boldmill_simulate_" + std::to_string(::getpid()) + "_" +
             ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(root_);
    fs::create_directories(root_);
    anatomy_.head.clear();
    anatomy_.brain = root_ / "brain.nii.gz";
    image_io::write_volume(anatomy_.brain, ellipsoid_brain());
    params_.participants = 2;
    params_.volumes = 10;
  }
  void TearDown() override { fs::remove_all(root_); }

  fs::path make(const std::string& name) const {
    const fs::path dir = root_ / name;
    simulate(dir, params_, anatomy_, {});
    return dir;
  }
  fs::path root_;
  AnatomyPaths anatomy_;
  SimulationParams params_;
};

std::map<std::string, std::string> all_files(const fs::path& dir) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(dir)) {
    if (entry.is_regular_file()) {
      files[fs::relative(entry.path(), dir).string()] = bids::read_file(entry.path());
    }
  }
  return files;
}

nlohmann::json read_json(const fs::path& path) {
  return nlohmann::json::parse(bids::read_file(path));
}

TEST_F(Cohort, SameBytesAtOneAndEightThreads) {
  const auto with_threads = [&](int threads, const std::string& name) {
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
                                    static_cast<std::size_t>(threads));
    tbb::task_arena arena(threads);
    return arena.execute([&] { return all_files(make(name)); });
  };
  params_.volumes = 5;
  params_.tasks = {"rest"};
  const auto one = with_threads(1, "one");
  const auto eight = with_threads(8, "eight");
  ASSERT_EQ(one.size(), eight.size());
  for (const auto& [path, bytes] : one) EXPECT_TRUE(eight.at(path) == bytes) << path;
  params_.random_seed = 2;
  params_.participants = 1;
  const auto other = with_threads(8, "other");
  EXPECT_NE(other.at("sub-001/func/sub-001_task-rest_bold.nii.gz"),
            one.at("sub-001/func/sub-001_task-rest_bold.nii.gz"));
}

TEST_F(Cohort, TreeIsComplete) {
  const fs::path dir = make("tree");
  for (const char* name :
       {"dataset_description.json", "README", "participants.tsv", "participants.json",
        "task-gonogo_events.json", "sourcedata/truth/README.md", "sourcedata/truth/dataset.json",
        "sourcedata/truth/participants.tsv", "sourcedata/truth/edges.tsv",
        "sourcedata/truth/circuits.tsv", "sourcedata/truth/motion.tsv",
        "sourcedata/truth/activations.tsv", "sourcedata/truth/interactions.tsv"}) {
    EXPECT_TRUE(fs::is_regular_file(dir / name)) << name;
  }
  const bids::Table people = bids::read_tsv(dir / "participants.tsv");
  EXPECT_EQ(people.n_rows(), 2U);
  for (const char* column : {"participant_id", "age", "sex", "site", "scanner", "group", "arm",
                             "severity_baseline", "symptom_change", "response", "rumination"}) {
    EXPECT_TRUE(people.has(column)) << column;
  }
  for (const std::string& sub : people.text("participant_id")) {
    for (const std::string& name : {"anat/" + sub + "_T1w", "func/" + sub + "_task-rest_bold",
                                    "func/" + sub + "_task-gonogo_bold",
                                    "fmap/" + sub + "_dir-AP_epi", "fmap/" + sub + "_dir-PA_epi"}) {
      EXPECT_TRUE(fs::is_regular_file(dir / sub / (name + ".nii.gz"))) << name;
      EXPECT_TRUE(fs::is_regular_file(dir / sub / (name + ".json"))) << name;
    }
    const nlohmann::json json =
        read_json(dir / sub / "func" / (std::string(sub) + "_task-rest_bold.json"));
    const image_io::NiftiHeader header =
        image_io::read_header(dir / sub / "func" / (std::string(sub) + "_task-rest_bold.nii.gz"));
    EXPECT_EQ(json["SliceTiming"].size(), static_cast<std::size_t>(header.grid.shape[2]));
    EXPECT_DOUBLE_EQ(json["RepetitionTime"].get<double>(), header.tr_s);
    EXPECT_EQ(header.n_volumes, 10);
    const nlohmann::json ap =
        read_json(dir / sub / "fmap" / (std::string(sub) + "_dir-AP_epi.json"));
    const nlohmann::json pa =
        read_json(dir / sub / "fmap" / (std::string(sub) + "_dir-PA_epi.json"));
    EXPECT_NE(ap["PhaseEncodingDirection"], pa["PhaseEncodingDirection"]);
    for (const auto& uri : ap["IntendedFor"]) {
      EXPECT_TRUE(fs::exists(dir / uri.get<std::string>().substr(6))) << uri;
    }
  }
  // The second site is oblique and right-handed, the first straight and left-handed.
  const auto grid = [&dir](const std::string& sub) {
    return image_io::read_header(dir / sub / "func" / (std::string(sub) + "_task-rest_bold.nii.gz"))
        .grid;
  };
  EXPECT_EQ(grid("sub-001").orientation(), "LAS");
  EXPECT_EQ(grid("sub-002").orientation(), "RAS");
  EXPECT_GT(std::abs(grid("sub-002").affine(2, 1)), 0.3);
}

TEST_F(Cohort, RealisedCorrelationsAreThoseOfTheSources) {
  params_.volumes = 40;
  params_.participants = 1;
  params_.tasks = {"rest"};
  const fs::path truth = make("edges") / "sourcedata" / "truth";
  const bids::Table sources = bids::read_tsv(truth / "sub-001/sub-001_task-rest_sources.tsv");
  const bids::Table edges = bids::read_tsv(truth / "edges.tsv");
  ASSERT_EQ(edges.n_rows(), 14U);
  const std::vector<std::string> code = edges.text("edge");
  const std::vector<double> z = edges.numbers("realised_z");
  const std::vector<double> region_z = edges.numbers("region_z");
  for (std::size_t e = 0; e < code.size(); ++e) {
    const std::vector<double> a = sources.numbers(code[e].substr(0, 2));
    const std::vector<double> b = sources.numbers(code[e].substr(2, 2));
    EXPECT_NEAR(std::atanh(pearson(a, b)), z[e], 1e-4) << code[e];
    EXPECT_NEAR(region_z[e], z[e], 0.1) << code[e]; // neighbours hardly reach into a region
  }
}

struct Recorded {
  Series bold;
  std::vector<Affine> pose;
};

Recorded read_run(const fs::path& dir, const std::string& sub, const std::string& task) {
  Recorded run;
  run.bold = image_io::read_series(
      dir / sub / "func" / (std::string(sub) + "_task-" + task + "_bold.nii.gz"), {});
  const bids::Table table = bids::read_tsv(dir / "sourcedata/truth" / sub /
                                           (std::string(sub) + "_task-" + task + "_motion.tsv"));
  const Eigen::MatrixXd m = table.matrix(
      {"m00", "m01", "m02", "m03", "m10", "m11", "m12", "m13", "m20", "m21", "m22", "m23"});
  for (Eigen::Index t = 0; t < m.rows(); ++t) {
    Affine pose = Affine::Identity();
    for (int i = 0; i < 3; ++i) {
      for (int j = 0; j < 4; ++j) pose(i, j) = m(t, 4 * i + j);
    }
    run.pose.push_back(pose);
  }
  return run;
}

Volume volume_of(const Series& series, int t) {
  Volume volume(series.grid);
  std::copy_n(series.volume(t), volume.data.size(), volume.data.begin());
  return volume;
}

double rms_difference(const Volume& a, const Volume& b) {
  double sum = 0.0;
  double n = 0.0;
  for (std::size_t v = 0; v < a.data.size(); ++v) {
    if (a.data[v] < 100.0F || b.data[v] < 100.0F) continue;
    const double d = static_cast<double>(a.data[v] - b.data[v]);
    sum += d * d;
    n += 1.0;
  }
  return std::sqrt(sum / n);
}

// The stored poses explain the images: the pipeline's own resampling with them undoes the motion.
TEST_F(Cohort, StoredMotionUndoesTheMotion) {
  params_.participants = 2;
  params_.tasks = {"rest"};
  params_.motion = "high";
  params_.noise = 0.0;
  params_.source_percent = 0.0;
  params_.distortion = 0.0;
  params_.volumes = 8;
  const fs::path dir = make("motion");
  for (const char* sub : {"sub-001", "sub-002"}) {
    const Recorded run = read_run(dir, sub, "rest");
    const Volume first = volume_of(run.bold, 0);
    double before = 0.0;
    double after = 0.0;
    double wrong = 0.0;
    for (int t = 1; t < 8; ++t) {
      const Volume moved = volume_of(run.bold, t);
      PointMap first_to_moved;
      first_to_moved.then(Affine(run.pose[static_cast<std::size_t>(t)] * run.pose[0].inverse()));
      const Volume back =
          resample(moved, first.grid, first_to_moved, Interpolation::cubic_bspline, {});
      PointMap backwards;
      backwards.then(Affine(run.pose[0] * run.pose[static_cast<std::size_t>(t)].inverse()));
      wrong += rms_difference(
          first, resample(moved, first.grid, backwards, Interpolation::cubic_bspline, {}));
      before += rms_difference(first, moved);
      after += rms_difference(first, back);
    }
    EXPECT_LT(after, 0.35 * before) << sub; // what cubic interpolation of 4.5 mm slices leaves
    EXPECT_GT(wrong, 1.2 * before) << sub;  // the direction of the map is tested too
    EXPECT_GT(before / 7.0, 1.0) << sub;    // there was something to undo
  }
}

// Left is left: the hand area of the left hemisphere, and nothing at its mirror place.
TEST_F(Cohort, LeftMotorSourceLiesOnTheLeft) {
  params_.volumes = 40;
  params_.tasks = {"gonogo"};
  params_.motion = "none";
  const fs::path dir = make("left");
  for (const char* sub : {"sub-001", "sub-002"}) { // LAS straight, RAS oblique
    const fs::path truth = dir / "sourcedata/truth" / sub;
    const LabelImage labels =
        image_io::read_labels(truth / (std::string(sub) + "_space-T1w_desc-sources_dseg.nii.gz"));
    const std::vector<double> course =
        bids::read_tsv(truth / (std::string(sub) + "_task-gonogo_sources.tsv"))
            .numbers("motor_left");
    const nlohmann::json json = read_json(truth / (std::string(sub) + "_task-gonogo_motion.json"));
    Affine t1w_to_bold;
    for (std::size_t i = 0; i < 4; ++i) {
      for (std::size_t j = 0; j < 4; ++j) {
        t1w_to_bold(static_cast<int>(i), static_cast<int>(j)) =
            json["t1w_to_reference"][i][j].get<double>();
      }
    }
    Eigen::Vector3d center = Eigen::Vector3d::Zero();
    double n = 0.0;
    for (std::size_t v = 0; v < labels.data.size(); ++v) {
      if (labels.data[v] != 22) continue; // motor_left
      const std::array<int, 3> ijk = labels.grid.coordinates(v);
      center += labels.grid.to_mm(Eigen::Vector3d(ijk[0], ijk[1], ijk[2]));
      n += 1.0;
    }
    ASSERT_GT(n, 10.0);
    center /= n;
    EXPECT_LT(center[0], -20.0);
    const Recorded run = read_run(dir, sub, "gonogo");
    const auto correlation_at = [&](Eigen::Vector3d mm) {
      mm = t1w_to_bold.topLeftCorner<3, 3>() * mm + t1w_to_bold.topRightCorner<3, 1>();
      const Eigen::Vector3d voxel = run.bold.grid.to_voxel(mm);
      std::vector<double> series;
      for (int t = 0; t < 40; ++t) {
        series.push_back(static_cast<double>(
            sample_linear(run.bold.volume(t), run.bold.grid.shape, voxel[0], voxel[1], voxel[2])));
      }
      return pearson(series, course);
    };
    EXPECT_GT(correlation_at(center), 0.6) << sub; // one voxel, 40 volumes, thermal noise
    EXPECT_LT(std::abs(correlation_at(Eigen::Vector3d(-center[0], center[1], center[2]))), 0.5)
        << sub;
  }
}

TEST_F(Cohort, OppositeEncodingShiftsOppositeWays) {
  params_.participants = 1;
  params_.tasks = {"rest"};
  params_.noise = 0.0;
  params_.motion = "none";
  params_.volumes = 1;
  params_.distortion = 2.0;
  const fs::path dir = make("pair");
  const auto mean_y = [&](const fs::path& path) {
    return center_of_mass_mm(image_io::read_volume(path))[1];
  };
  const double ap = mean_y(dir / "sub-001/fmap/sub-001_dir-AP_epi.nii.gz");
  const double pa = mean_y(dir / "sub-001/fmap/sub-001_dir-PA_epi.nii.gz");
  params_.distortion = 0.0;
  const fs::path straight = make("straight");
  const double none = mean_y(straight / "sub-001/fmap/sub-001_dir-AP_epi.nii.gz");
  EXPECT_GT(std::abs(ap - pa), 0.01);
  EXPECT_LT((ap - none) * (pa - none), 0.0);
  const Volume field =
      image_io::read_volume(dir / "sourcedata/truth/sub-001/sub-001_fieldmap.nii.gz");
  EXPECT_GT(*std::max_element(field.data.begin(), field.data.end()), 20.0F);
}

TEST_F(Cohort, OptionsDoWhatTheySay) {
  params_.participants = 1;
  params_.tasks = {"rest"};
  params_.sessions = 2;
  params_.within_volume_motion = true;
  params_.dummy_scans = 2;
  params_.volumes = 4;
  const fs::path dir = make("options");
  const fs::path bold = dir / "sub-001/ses-2/func/sub-001_ses-2_task-rest_bold.nii.gz";
  const Series series = image_io::read_series(bold, {});
  EXPECT_EQ(series.n_volumes, 6);
  const auto mean_of = [&series](int t) {
    return mean(std::vector<double>(series.volume(t), series.volume(t) + series.grid.n_voxels()));
  };
  EXPECT_GT(mean_of(0), 1.2 * mean_of(5)); // before the steady state
  EXPECT_NEAR(mean_of(2), mean_of(5), 0.05 * mean_of(5));
  const bids::Table slices = bids::read_tsv(
      dir / "sourcedata/truth/sub-001/ses-2/sub-001_ses-2_task-rest_desc-slices_motion.tsv");
  EXPECT_EQ(slices.n_rows(), 6U * static_cast<std::size_t>(series.grid.shape[2]));
}

TEST_F(Cohort, UsageErrors) {
  const auto kind = [&]() {
    try {
      simulate(root_ / "bad", params_, anatomy_, {});
    } catch (const Error& error) {
      return error.kind();
    }
    return ErrorKind::internal;
  };
  const SimulationParams good = params_;
  params_.tasks = {"juggling"};
  EXPECT_EQ(kind(), ErrorKind::usage);
  params_ = good;
  params_.tasks = {"rest", "rest"};
  EXPECT_EQ(kind(), ErrorKind::usage);
  params_ = good;
  params_.effect_size = {1.0, 2.0};
  EXPECT_EQ(kind(), ErrorKind::usage);
  params_ = good;
  params_.size = "huge";
  EXPECT_EQ(kind(), ErrorKind::usage);
  params_ = good;
  const AnatomyPaths found = anatomy_;
  anatomy_.brain = root_ / "absent.nii";
  EXPECT_EQ(kind(), ErrorKind::usage);
  anatomy_ = found;
  fs::create_directories(root_ / "bad" / "something");
  EXPECT_EQ(kind(), ErrorKind::usage);
  EXPECT_FALSE(fs::exists(root_ / "bad" / "dataset_description.json"));
}

} // namespace
} // namespace boldmill::simulate
