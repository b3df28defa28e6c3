// A model file that somebody hands on: whole for HDF5, with edited content, read and applied to new
// people.
#include "pipeline/store/model_file.hpp"

#include "pipeline/config/taxonomy_json.hpp"
#include "pipeline/graph/cohort.hpp"
#include "pipeline/graph/example_taxonomy.hpp"
#include "pipeline/graph/frozen_model.hpp"
#include "pipeline/store/example_cohort.hpp"
#include "pipeline/store/shard.hpp"
#include "stages/core/random.hpp"
#include "tests/fuzz/harness.hpp"
#include "tests/fuzz/hdf5_edits.hpp"

namespace boldmill::fuzz {
namespace {

namespace fs = std::filesystem;
constexpr int kMeasures = 4;
constexpr int kPeople = 40;

taxonomy::Taxonomy four_measures() { return graph::plain_measures(kMeasures); }

store::PersonRecord person(int p) {
  Random random(stream_seed(7, "person", std::to_string(p)));
  store::PersonRecord record;
  record.participant_id = "sub-" + std::to_string(100 + p);
  record.source = "rest";
  double sum = 0.0;
  for (int m = 0; m < kMeasures; ++m) {
    const double value = random.normal() + (p % 3 == 0 ? 3.0 : 0.0);
    sum += value;
    const bool missing = p % 9 == 4 && m == 2;
    record.measures.push_back(
        {missing ? store::example::kNaN : value, 0.05, 0.9, missing ? "absent" : ""});
  }
  record.error_correlation = Eigen::MatrixXf::Identity(kMeasures, kMeasures);
  record.columns = {{"group", p / 2 % 2 == 0 ? "control" : "patient"},
                    {"site", p % 2 == 0 ? "a" : "b"},
                    {"age", std::to_string(20 + p * 7 % 40)},
                    {"sex", p % 3 == 0 ? "F" : "M"},
                    {"score", std::to_string(sum + random.normal())},
                    {"class", sum + random.normal() > 0.0 ? "yes" : "no"}};
  return record;
}

// Everything that the group stage can freeze, and the first people as new ones.
struct Template {
  config::Config config;
  taxonomy::Taxonomy taxonomy = four_measures();
  fs::path new_people, model;

  Template() {
    config.chained_imputation.imputations = 2;
    config.biotype_test.k_max = 3;
    config.biotype_test.repetitions = 19;
    config.biotype_test.stability_nulls = 1;
    config.biotype_test.permutations = 1;
    config.biotype_test.max_factors = 1;
    config.biotype_test.bootstraps = 3;
    config.prediction.n_permutations = 0;
    config.prediction.n_repeats = 1;
    config.prediction.n_folds = 3;
    config.prediction.alphas = {0.0};
    config.prediction.n_lambdas = 3;
    config.cohort.targets = {"score", "class"};
    config.cohort.imputation = "chained";
    config.cohort.harmonization = "combat";
    config.cohort.biotype_min_people = 8;
    config.normative_model.min_people = 10;
    store::CohortHeader header = store::example::header();
    header.measure = header.feature = header.score = taxonomy::measure_names(taxonomy);
    header.participant_columns = {"group", "site", "age", "sex", "score", "class"};
    header.config_json = config::to_json(config).dump();
    graph::CohortRequest request;
    request.out = as_file({}, "template").parent_path();
    for (int p = 0; p < kPeople; ++p) {
      const store::PersonRecord record = person(p);
      request.shards.push_back(request.out / (record.participant_id + ".h5"));
      store::write_shard(request.shards.back(), header, record);
    }
    (void)graph::run_cohort(request, config, taxonomy, {});
    model = request.out / "model.h5";
    new_people = request.out / "new.h5";
    (void)store::merge_shards({request.shards.begin(), request.shards.begin() + 5}, new_people,
                              {"fuzz", {}}, {});
  }
};

const Template& made() {
  static const Template once;
  return once;
}

const EditableFile& editable() {
  static const EditableFile once(made().model);
  return once;
}

} // namespace

std::vector<std::string> seeds() {
  static_cast<void>(editable()); // its making is not an execution
  std::vector<std::string> all{""};
  for (int what = 0; what < 8; ++what) {
    std::string edits;
    for (int i = 0; i < 4; ++i) {
      edits += {static_cast<char>(37 * i + 11 * what), static_cast<char>(what),
                static_cast<char>(5 * i), static_cast<char>(3 * i + what)};
    }
    all.push_back(edits);
  }
  return all;
}

void execute(std::span<const std::uint8_t> bytes) {
  const store::ModelRecord model = store::read_model(editable().edited(bytes));
  static const store::CohortReader people(made().new_people);
  graph::check_model(model, "edited.h5", people.header().taxonomy_sha256, people.header().measure);
  static_cast<void>(graph::scored_by(model, people, made().config, made().taxonomy));
}

} // namespace boldmill::fuzz
