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

TEST(IndexHtml, EscapesEverythingThatCameFromOutside) {
  const store::TestFolder folder;
  const auto header = store::example::header();
  const fs::path shard = folder.path() / "shard.h5";
  store::write_shard(shard, header, store::example::person(1, header));
  const store::CohortReader cohort(shard);
  const std::string html = index_html(cohort, {"0.1.0", "<script>alert(1)</script>", "", {}});
  EXPECT_EQ(html.find("<script"), std::string::npos);
  EXPECT_EQ(html.find("<i>"), std::string::npos);
  EXPECT_NE(html.find("&lt;script&gt;alert(1)"), std::string::npos);
  EXPECT_NE(html.find("few volumes: &lt;i&gt;12"), std::string::npos);
  EXPECT_NE(html.find("not a medical device"), std::string::npos);
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
