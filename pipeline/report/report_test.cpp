#include "pipeline/report/report.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "pipeline/bids/tsv.hpp"
#include "pipeline/report/files.hpp"
#include "pipeline/store/example_cohort.hpp"
#include "pipeline/store/shard.hpp"
#include "pipeline/store/test_folder.hpp"

namespace boldmill::report {
namespace {

namespace fs = std::filesystem;

TEST(FuncFolder, FollowsParticipantAndSessionAndNeverLeavesTheOutput) {
  EXPECT_EQ(func_folder("out", "sub-01_task-rest_run-1"), fs::path("out/sub-01/func"));
  EXPECT_EQ(func_folder("out", "sub-007_ses-b_task-rest"), fs::path("out/sub-007/ses-b/func"));
  const fs::path hostile = func_folder("out", "../../etc_task-x").lexically_normal();
  EXPECT_EQ(*hostile.begin(), "out");
}

TEST(Methods, CarriesTheActualParametersAndTheNote) {
  const store::TestFolder folder;
  auto header = store::example::header();
  header.config_json =
      R"({"target": {"spacing_mm": 3.5}, "nuisance_regression": {"strategy": "36P"}})";
  auto person = store::example::person(1, header);
  ASSERT_EQ(person.runs.size(), 2U);
  person.runs[0].slice_reference_s = 0.9;
  person.runs[1].slice_reference_s = std::nan("");
  const fs::path shard = folder.path() / "shard.h5";
  store::write_shard(shard, header, person);
  const std::string text = methods_text(
      store::CohortReader(shard), {"1.2.3", "study", "single-subject template", {"Someone 2020"}});
  EXPECT_NE(text.find("Slice timing was corrected in 1 of 2 runs"), std::string::npos);
  EXPECT_NE(text.find("3.5 mm grid"), std::string::npos);
  EXPECT_NE(text.find("strategy 36P"), std::string::npos);
  EXPECT_NE(text.find("single-subject template"), std::string::npos);
  EXPECT_NE(text.find("- Someone 2020"), std::string::npos);
  EXPECT_NE(text.find("Research use only"), std::string::npos);
}

std::string methods_of(const std::string& config_json, const std::vector<std::string>& stages) {
  const store::TestFolder folder;
  auto header = store::example::header();
  header.config_json = config_json;
  auto person = store::example::person(1, header);
  person.stages.clear(); // the example's are those of a raw run
  for (const std::string& stage : stages) person.stages.push_back({stage, 1, "key"});
  const fs::path shard = folder.path() / "shard.h5";
  store::write_shard(shard, header, person);
  return methods_text(store::CohortReader(shard), {"1.2.3", "study", "", {}});
}

bool says(const std::string& text, const char* words) {
  return text.find(words) != std::string::npos;
}

TEST(Methods, SaysEveryOptionalStepThatRan) {
  const std::string text = methods_of(
      R"({"voxels": {"despike": true, "smoothing_mm": 6.0, "regressors": ["desc-LFO_timeseries.nii.gz"]},
          "despike": {"cut_start": 2.5, "cut_limit": 4.0}, "extraction": {"statistic": "mean"},
          "motion_filter": {"type": "notch", "band_stop_min_bpm": 12.0, "band_stop_max_bpm": 18.0, "order": 4},
          "nuisance_regression": {"strategy": "custom", "columns": ["csf", "rot_*"], "extra_columns": ["task_*"],
            "filter": "butterworth", "high_pass_hz": 0.01, "low_pass_hz": 0.08, "butterworth_order": 2,
            "padding": "constant", "detrend": true, "intercept": false, "output": "censored",
            "fd_threshold_mm": 0.3, "standardize": true, "min_dof": 30},
          "connectivity": {"kinds": ["partial", "lagged", "sliding_window"], "lag": 2, "n_volumes": 150, "random_seed": 7},
          "sliding_window": {"window": 30, "step": 3},
          "regional": {"measures": ["alff", "falff", "reho", "tsnr", "graph", "modularity"], "graph_kind": "partial"},
          "alff": {"low_hz": 0.01, "high_hz": 0.08}, "reho": {"neighbours": 19}})",
      {"derived_run"});
  for (const char* words :
       {"3dDespike -NEW",
        "over 2.5 robust SD",
        "at most 4.0 SD",
        "Gaussian of 6.0 mm FWHM",
        "filtered against breathing (notch, 12.0 to 18.0 breaths a minute, order 4)",
        "strategy custom (columns csf, rot_*) and the columns task_*",
        "in the order of XCP-D",
        "Butterworth of order 2, high-pass 0.01 Hz, low-pass 0.08 Hz, padding constant",
        "without a constant",
        "censored again",
        "above 0.3 mm were censored",
        "desc-LFO_timeseries.nii.gz, a degree of freedom each",
        "z-scored",
        "partial, lagged, sliding_window",
        "exactly 150 kept volumes drawn with seed 7",
        "lagged by 2 volumes",
        "windows of 30 volumes, a step of 3",
        "ALFF of every voxel",
        "fALFF is the share",
        "over 19 neighbours",
        "tSNR is",
        "and modules",
        "weighted matrix partial",
        "preprocessed elsewhere"}) {
    EXPECT_TRUE(says(text, words)) << words << "\n" << text;
  }
  EXPECT_FALSE(says(text, "T1-weighted")) << "no image of it was read";
}

TEST(Methods, SaysNothingOfWhatDidNotRun) {
  for (const auto& [filter, words] : {std::pair{"cosine", "and the cosines outside the band"},
                                      std::pair{"fourier", "and the sines and cosines outside"}}) {
    const std::string text = methods_of(
        R"({"voxels": {"despike": false, "smoothing_mm": 0.0, "regressors": []}, "motion_filter": {"type": "none"},
            "nuisance_regression": {"strategy": "36P", "columns": [], "extra_columns": [], "filter": ")" +
            std::string(filter) +
            R"(", "high_pass_hz": 0.008, "low_pass_hz": 0.0, "detrend": true, "fd_threshold_mm": 0.0, "standardize": false},
            "connectivity": {"kinds": ["correlation"], "n_volumes": 0}, "regional": {"measures": []}})",
        {"derived_run", "head_motion"});
    EXPECT_TRUE(says(text, "in one least-squares model")) << text;
    EXPECT_TRUE(says(text, words)) << text;
    EXPECT_TRUE(says(text, "T1-weighted") && says(text, "preprocessed elsewhere")) << text;
    for (const char* absent : {"Despike", "smoothed", "breathing", "z-scored", "were censored",
                               "ALFF", "ReHo", "Graph", "lagged", "series of its own", "XCP-D"}) {
      EXPECT_FALSE(says(text, absent)) << absent << "\n" << text;
    }
  }
}

TEST(Tables, HoldTheValuesOfTheFileAndDescribeEveryColumn) {
  const store::TestFolder folder;
  const auto header = store::example::header();
  const auto person = store::example::person(1, header);
  const fs::path shard = folder.path() / "shard.h5";
  store::write_shard(shard, header, person);
  const store::CohortReader cohort(shard);
  (void)write_tables(folder.path(), cohort);
  const bids::Table measures = bids::read_tsv(folder.path() / "tables" / "circuit_measures.tsv");
  EXPECT_EQ(measures.numbers("ic.D1D2")[0], person.measures[0].value);
  EXPECT_EQ(measures.numbers("ic.D1D2_se")[0], person.measures[0].se);
  EXPECT_TRUE(std::isnan(measures.numbers("act.NT1")[0]));
  const bids::Table runs = bids::read_tsv(folder.path() / "tables" / "runs.tsv");
  EXPECT_EQ(runs.n_rows(), person.runs.size());
  EXPECT_EQ(runs.numbers("mean_fd_mm")[1], person.runs[1].mean_fd_mm);
  EXPECT_TRUE(std::isnan(runs.numbers("norm_dice")[0]));
  const bids::Table alff =
      bids::read_tsv(folder.path() / "tables" / "task-rest_atlas-circuits_stat-alff_bold.tsv");
  EXPECT_EQ(alff.numbers("Region_2")[0], person.regional[0].values[2]);
  EXPECT_EQ(bids::read_tsv(folder.path() / "tables" / "graphs.tsv")
                .numbers("rest_circuits_modularity_q")[0],
            person.regional[1].values[0]);
  const Json json = Json::parse(folder.bytes("tables/circuit_measures.json"));
  for (const std::string& name : measures.names()) EXPECT_TRUE(json.contains(name)) << name;
}

TEST(Export, ConfoundsAndMatricesReadBackAsTheyWere) {
  const store::TestFolder folder;
  const auto header = store::example::header();
  const auto person = store::example::person(2, header);
  const fs::path shard = folder.path() / "shard.h5";
  store::write_shard(shard, header, person);
  const auto files = export_file(shard, folder.path() / "out", {"0.1.0", "", "", {}});
  const store::RunRecord& run = person.runs[0];
  const bids::Table confounds = bids::read_tsv(func_folder(folder.path() / "out", run.run_id) /
                                               (run.run_id + "_desc-confounds_timeseries.tsv"));
  EXPECT_EQ(confounds.names(), run.confound_names);
  EXPECT_EQ(confounds.numbers("csf")[3], run.confounds(3, 0));
  EXPECT_TRUE(std::isnan(confounds.numbers("framewise_displacement")[0]));
  bool found = false;
  for (const fs::path& file : files) {
    EXPECT_TRUE(fs::exists(folder.path() / "out" / file)) << file;
    if (file.filename().string().find("atlas-circuits_stat-fisherz_relmat") == std::string::npos)
      continue;
    found = true;
    const bids::Table matrix =
        bids::read_tsv(folder.path() / "out" / file, bids::RepeatedNames::allow);
    EXPECT_EQ(matrix.numbers(std::size_t{3})[0], person.connectivity[1].edges[1]); // (0, 2)
    EXPECT_EQ(matrix.numbers(std::size_t{1})[2], person.connectivity[1].edges[1]); // (2, 0)
  }
  EXPECT_TRUE(found);
}

TEST(Export, NeverWritesOverADatasetOfAnotherProgram) {
  const store::TestFolder folder;
  auto header = store::example::header();
  header.atlases[0].description += " single-subject template (Colin27)";
  const fs::path shard = folder.path() / "shard.h5";
  store::write_shard(shard, header, store::example::person(3, header));
  const auto with_description = [&](const std::string& name, const std::string& text) {
    fs::create_directories(folder.path() / name);
    std::ofstream(folder.path() / name / "dataset_description.json") << text;
    try {
      (void)export_file(shard, folder.path() / name, {"0.1.0", "", "", {}});
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage);
      EXPECT_EQ(folder.bytes(name + "/dataset_description.json"), text);
      return false;
    }
    return true;
  };
  EXPECT_FALSE(with_description("raw", R"({"Name": "a", "DatasetType": "raw"})"));
  EXPECT_FALSE(with_description("old", R"({"Name": "a"})"));
  EXPECT_FALSE(with_description("broken", "{"));
  EXPECT_FALSE(with_description(
      "other", R"({"DatasetType": "derivative", "GeneratedBy": [{"Name": "fMRIPrep"}]})"));
  EXPECT_FALSE(with_description(
      "simulated", R"({"DatasetType": "raw", "GeneratedBy": [{"Name": "boldmill"}]})"));
  EXPECT_TRUE(with_description(
      "own",
      R"({"Name": "a", "DatasetType": "derivative", "GeneratedBy": [{"Name": "boldmill"}]})"));
  // The name of the dataset stays; what every output must say is said.
  const Json kept = Json::parse(folder.bytes("own/dataset_description.json"));
  EXPECT_EQ(kept["Name"], "a");
  EXPECT_NE(folder.bytes("own/README.md").find("single-subject template"), std::string::npos);
}

} // namespace
} // namespace boldmill::report
