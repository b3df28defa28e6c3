#include "pipeline/graph/frozen_model.hpp"

#include <gtest/gtest.h>
#include <hdf5.h>

#include <cmath>

#include "pipeline/graph/cohort.hpp"
#include "pipeline/graph/cohort_scores.hpp"
#include "pipeline/graph/example_taxonomy.hpp"
#include "pipeline/graph/prediction.hpp"
#include "pipeline/store/example_cohort.hpp"
#include "pipeline/store/merge.hpp"
#include "pipeline/store/netcdf.hpp"
#include "pipeline/store/shard.hpp"
#include "pipeline/store/test_folder.hpp"
#include "stages/core/random.hpp"

namespace boldmill::graph {
namespace {

namespace fs = std::filesystem;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// Measures that are features and scores themselves: six, and those of a task that nobody did.
constexpr int kMeasured = 6, kMeasures = 14;
taxonomy::Taxonomy measures() { return plain_measures(kMeasures); }

// 60 people, the last six without an outcome: one of them of a new site, one far away, one empty.
class FrozenModel : public testing::Test {
protected:
  FrozenModel() {
    header_ = store::example::header();
    header_.measure.clear();
    for (const auto& one : measures().measures) header_.measure.push_back(one.code);
    header_.feature = header_.score = header_.measure;
    header_.participant_columns = {"group", "site", "score", "class"};
    config_.cohort.targets = {"score", "class"};
    config_.prediction.n_permutations = 0;
    config_.prediction.n_repeats = 2;
    config_.prediction.n_folds = 4;
    config_.prediction.alphas = {0.0, 0.5};
    config_.prediction.n_lambdas = 6;
    std::vector<fs::path> shards;
    for (int p = 0; p < 60; ++p) {
      shards.push_back(folder_.path() / (std::to_string(p) + ".h5"));
      store::write_shard(shards.back(), header_, person(p));
    }
    (void)store::merge_shards(shards, file_, {"test", {}}, {});
    const store::CohortReader reader(file_);
    const auto comparable = comparable_measures(reader, config_, measures());
    add_scores(reader, comparable, config_, measures(), learned_);
    add_predictions(reader, reader.measures().table.value, config_, {}, learned_, {});
    model_ = model_of(reader, config_, learned_);
  }

  static store::PersonRecord person(int p) {
    Random random(stream_seed(3, "person", std::to_string(p)));
    store::PersonRecord record;
    record.participant_id = "sub-" + std::string(p < 10 ? "0" : "") + std::to_string(p);
    record.source = "rest";
    double sum = 0.0;
    for (int m = 0; m < kMeasures; ++m) {
      double value = random.normal();
      if (m < kMeasured) sum += value;
      if (p == 57) value += 100.0;
      const bool missing =
          m >= kMeasured || p == 58 || (p % 7 == 3 && m == 2) || (p == 55 && m < 4);
      record.measures.push_back({missing ? kNaN : value, 0.05, 0.9, missing ? "absent" : ""});
    }
    record.error_correlation = Eigen::MatrixXf::Identity(kMeasures, kMeasures);
    const bool known = p < 54;
    record.columns["group"] = p % 3 == 0 ? "control" : "patient";
    record.columns["site"] = p == 59 ? "north" : p % 2 == 0 ? "a" : "b";
    record.columns["score"] = known ? std::to_string(sum + random.normal()) : "";
    record.columns["class"] = known ? (sum + random.normal() > 0 ? "yes" : "no") : "";
    return record;
  }

  const store::TableColumn& column(const std::vector<store::TableRecord>& tables,
                                   const std::string& path, const std::string& name) {
    for (const auto& table : tables) {
      if (table.path != path) continue;
      for (const auto& one : table.columns) {
        if (one.name == name) return one;
      }
    }
    throw std::runtime_error(path + " " + name);
  }

  store::TestFolder folder_;
  fs::path file_ = folder_.path() / "cohort.h5";
  store::CohortHeader header_;
  config::Config config_;
  store::CohortResults learned_;
  store::ModelRecord model_;
};

TEST_F(FrozenModel, GivesWhatTheGroupStageGivesWithTheSameReference) {
  const fs::path path = folder_.path() / "model.h5";
  store::write_model(path, model_);
  const auto model = store::read_model(path); // through the file: bits stay
  const store::CohortReader reader(file_);
  const auto scored = scored_by(model, reader, config_, measures());
  EXPECT_EQ(scored.fitted_on, "frozen_model");
  for (Eigen::Index row = 0; row < 60; ++row) {
    for (Eigen::Index s = 0; s < kMeasures; ++s) {
      const double expected = learned_.scores.value(row, s);
      if (std::isnan(expected)) {
        EXPECT_TRUE(std::isnan(scored.scores.value(row, s)));
      } else {
        EXPECT_EQ(scored.scores.value(row, s), expected);
        EXPECT_EQ(scored.scores.se(row, s), learned_.scores.se(row, s));
      }
    }
  }
  // People without an outcome had the final model's prediction in the group stage too.
  const auto& numbers = learned_.predictions[0];
  const auto& classes = learned_.predictions[1];
  for (std::size_t row = 54; row < 60; ++row) {
    const auto value = [&](const char* target, const char* name) {
      return column(scored.tables, std::string("scored/") + target, name).number[row];
    };
    EXPECT_EQ(value("score", "abstain"), numbers.abstain[row]) << row;
    if (row == 58) {
      EXPECT_TRUE(std::isnan(value("score", "prediction")));
      continue;
    }
    EXPECT_NEAR(value("score", "prediction"), numbers.prediction[row], 1e-12) << row;
    EXPECT_NEAR(value("score", "lower"), numbers.lower[row], 1e-12) << row;
    EXPECT_NEAR(value("score", "upper"), numbers.upper[row], 1e-12) << row;
    const auto r = static_cast<Eigen::Index>(row);
    EXPECT_NEAR(value("class", "probability_yes"), classes.probability(r, 1), 1e-12) << row;
    EXPECT_EQ(value("class", "set_no"), classes.set(r, 0)) << row;
    EXPECT_EQ(value("class", "set_yes"), classes.set(r, 1)) << row;
    EXPECT_NEAR(value("class", "margin"), std::abs(2.0 * classes.probability(r, 1) - 1.0), 1e-12);
  }
  const auto& why = column(scored.tables, "scored/score", "abstain_reason").text;
  EXPECT_NE(why[57].find("outside the training people"), std::string::npos);
  EXPECT_EQ(why[58], "no measure is present");
  EXPECT_EQ(why[56], "");
  EXPECT_EQ(why[55], "4 of 6 measures are missing");
  EXPECT_EQ(numbers.abstain_reason[55], why[55]);
  EXPECT_EQ(numbers.abstain_reason[57].rfind("outside the training people", 0), 0U);
  EXPECT_EQ(numbers.abstain_reason[56], "");
}

TEST_F(FrozenModel, AScannerOrSiteItHasNotSeenIsSaid) {
  model_.known["site"] = {"a", "b"}; // as if the person of "north" came later
  const store::CohortReader reader(file_);
  const auto scored = scored_by(model_, reader, config_, measures());
  const auto& place = column(scored.tables, "scored/score", "new_place").text;
  EXPECT_EQ(place[59], "new site north");
  EXPECT_EQ(place[0], "");
  EXPECT_EQ(new_places(model_, reader.participants()),
            (std::vector<std::string>{"new site north"}));
}

TEST_F(FrozenModel, HoldsNothingOfThePeople) {
  const fs::path path = folder_.path() / "model.h5";
  store::write_model(path, model_);
  EXPECT_EQ(folder_.bytes("model.h5").find("sub-"), std::string::npos);
}

// A model file as format 1 had it: nothing learned, no word of steps.
void make_format(const fs::path& path, std::int32_t version) {
  const store::Hdf5Lock lock;
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  const hid_t attribute = H5Aopen_by_name(file, "/", "format_version", H5P_DEFAULT, H5P_DEFAULT);
  ASSERT_GE(H5Awrite(attribute, H5T_NATIVE_INT32, &version), 0);
  H5Aclose(attribute);
  for (const char* target : {"/predictions/score", "/predictions/class"}) {
    ASSERT_GE(H5Adelete_by_name(file, target, "steps", H5P_DEFAULT), 0) << target;
  }
  ASSERT_EQ(H5Lexists(file, "/learned", H5P_DEFAULT), 0);
  ASSERT_GE(H5Fclose(file), 0);
}

TEST_F(FrozenModel, ReadsFormat1AndRefusesFormatsToCome) {
  ASSERT_TRUE(model_.learned.empty());
  const store::CohortReader reader(file_);
  const auto expected = scored_by(model_, reader, config_, measures());
  const fs::path path = folder_.path() / "model.h5";
  store::write_model(path, model_);
  make_format(path, 1);
  const auto scored = scored_by(store::read_model(path), reader, config_, measures());
  ASSERT_EQ(scored.tables.size(), expected.tables.size());
  const auto& before = column(expected.tables, "scored/score", "prediction").number;
  const auto& after = column(scored.tables, "scored/score", "prediction").number;
  for (std::size_t row = 0; row < before.size(); ++row) {
    EXPECT_EQ(std::isnan(before[row]), std::isnan(after[row])) << row;
    if (std::isnan(before[row])) continue;
    EXPECT_EQ(before[row], after[row]) << row;
  }
  store::write_model(path, model_);
  make_format(path, 3);
  try {
    (void)store::read_model(path);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("found 3, expected 1 to 2"), std::string::npos)
        << error.what();
  }
}

TEST_F(FrozenModel, RefusesAnotherDefinitionVersionOrFile) {
  EXPECT_NO_THROW(check_model(model_, "model.h5", header_.taxonomy_sha256, header_.measure));
  EXPECT_THROW(check_model(model_, "model.h5", "another", header_.measure), Error);
  EXPECT_THROW(check_model(model_, "model.h5", header_.taxonomy_sha256, {"m0"}), Error);
  EXPECT_THROW((void)store::read_model(file_), Error); // a cohort is not a model
}

} // namespace
} // namespace boldmill::graph
