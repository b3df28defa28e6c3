// boldmill stage biotype_test TABLE.tsv --site COLUMN [--impute pmm] [--harmonise combat] --out DIR
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "pipeline/bids/tsv.hpp"
#include "pipeline/cache/cache.hpp"
#include "pipeline/cli/stage_command.hpp"
#include "pipeline/cli/stages/cohort_columns.hpp"
#include "pipeline/cli/stages/table_columns.hpp"
#include "stages/cohort/biotype_test.hpp"
#include "stages/cohort/chained_imputation.hpp"
#include "stages/cohort/combat.hpp"
#include "stages/cohort/imputation.hpp"
#include "stages/cohort/standardisation.hpp"

namespace boldmill::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string table, site, controls, groups, out;
  std::string impute = "pmm";
  std::string harmonise = "none";
  int imputations = 1;
  std::vector<std::string> features, covariates;
  biotype_test::Params params;
};

std::span<const double> view(const Eigen::VectorXd& values) {
  return {values.data(), static_cast<std::size_t>(values.size())};
}

std::vector<std::vector<cohort::LearningStep>> chains_of(const Options& options) {
  std::vector<std::vector<cohort::LearningStep>> out;
  const int count = options.impute == "pmm" ? options.imputations : 1;
  for (int m = 0; m < count; ++m) {
    std::vector<cohort::LearningStep> chain;
    if (options.impute == "pmm") {
      chain.push_back(chained_imputation::step({.random_seed = options.params.random_seed + m}));
    } else if (options.impute != "none") {
      chain.push_back(imputation::step({.method = options.impute}));
    }
    if (options.harmonise == "combat") chain.push_back(combat::step({}));
    chain.push_back(
        standardisation::step({.reference = options.controls.empty() ? "training" : "controls"}));
    out.push_back(std::move(chain));
  }
  return out;
}

std::map<std::string, std::string> groups_of(const std::string& file) {
  std::map<std::string, std::string> out;
  if (file.empty()) return out;
  const bids::Table table = bids::read_tsv(file);
  const std::vector<std::string> feature = table.text("feature");
  const std::vector<std::string> group = table.text("group");
  for (std::size_t i = 0; i < feature.size(); ++i) out[feature[i]] = group[i];
  return out;
}

biotype_test::Inputs read_inputs(const Options& options, const bids::Table& table) {
  biotype_test::Inputs out;
  std::set<std::string> other(options.covariates.begin(), options.covariates.end());
  other.insert({options.site, options.controls.substr(0, options.controls.find('='))});
  out.rows.names = measure_columns(table, options.features, other);
  out.rows.x = table.matrix(out.rows.names);
  out.rows.batch = batch_ids(table, options.site);
  out.rows.is_reference = rows_where(table, options.controls);
  if (!options.covariates.empty()) {
    const CovariateColumns covariates = covariate_columns(table, options.covariates);
    out.rows.covariates = covariates.x;
    out.rows.covariate_names = covariates.names;
  }
  out.chains = chains_of(options);
  out.group = groups_of(options.groups);
  return out;
}

nlohmann::ordered_json verdict_json(const Options& options, const biotype_test::Outputs& out) {
  const auto number = [](double value) {
    return std::isnan(value) ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(value);
  };
  nlohmann::ordered_json json;
  json["verdict"] = biotype_test::to_string(out.verdict);
  json["in_words"] = biotype_test::in_words(out.verdict);
  json["p_value"] = out.test.p_value;
  json["largest_standardised_silhouette"] = out.test.largest;
  json["p_value_within_sites"] = number(out.within_sites.p_value);
  json["repetitions"] = options.params.repetitions;
  json["alpha"] = options.params.alpha;
  json["random_seed"] = options.params.random_seed;
  json["people"] = out.used.size();
  json["features"] = out.features.size();
  json["clusters"] = out.chosen;
  json["p_features_are_correlated"] = number(out.p_features_are_correlated);
  json["factors"] = out.dimensional.factors;
  json["log_density_gain_of_clusters"] = number(out.dimensional.clusters_gain);
  json["log_density_gain_of_clusters_se"] = number(out.dimensional.clusters_gain_se);
  json["profiles"] = out.profile_name;
  json["not_seen"] = "groups that show in single measures: the null keeps margins";
  return json;
}

void write_statistics(const fs::path& folder, const biotype_test::Outputs& out) {
  const std::vector<std::int64_t> k(out.k.begin(), out.k.end());
  bids::TableWriter writer;
  writer.integers("k", k).numbers("silhouette", view(out.silhouette));
  writer.numbers("silhouette_standardised", view(out.test.observed));
  const auto& stability = out.stability;
  const std::tuple<const char*, const Eigen::VectorXd&, const Eigen::MatrixXd&> parts[] = {
      {"ari_leave_one_out", stability.leave_one_out, stability.null_leave_one_out},
      {"ari_resampling", stability.resampling, stability.null_resampling},
      {"ari_split_half", stability.split_ari, stability.null_split_ari}};
  for (const auto& [name, observed, null] : parts) {
    if (null.rows() == 0) continue;
    const Eigen::VectorXd mean = null.colwise().mean();
    Eigen::VectorXd p(observed.size());
    for (Eigen::Index c = 0; c < p.size(); ++c) {
      const auto above = (null.col(c).array() >= observed[c]).count();
      p[c] = static_cast<double>(1 + above) / static_cast<double>(null.rows() + 1);
    }
    writer.numbers(name, view(observed)).numbers(std::string(name) + "_null_mean", view(mean));
    writer.numbers(std::string("p_") + name, view(p));
  }
  writer.write(folder / "statistics.tsv");
}

std::vector<std::string> from_one(const std::vector<int>& labels) {
  std::vector<std::string> out;
  for (const int label : labels) out.push_back(label < 0 ? "" : std::to_string(label + 1));
  return out;
}

void write_people(const fs::path& folder, const bids::Table& table,
                  const biotype_test::Outputs& out) {
  bids::TableWriter writer;
  copy_identity(table, writer);
  std::vector<std::string> rule = from_one(out.assignment.classified);
  for (std::size_t i = 0; i < rule.size(); ++i) {
    if (out.assignment.label[i] >= 0 && rule[i].empty()) rule[i] = "unclassified";
  }
  writer.text("cluster", from_one(out.label)).text("nearest_centroid", rule);
  writer.numbers("margin", view(out.assignment.margin));
  writer.numbers("stability", view(out.assignment.stability));
  writer.numbers("co_assignment", view(out.co_assignment));
  for (int f = 0; f < out.dimensional.factors; ++f) {
    const Eigen::VectorXd score = out.dimensional.scores.col(f);
    writer.numbers("factor_" + std::to_string(f + 1), view(score));
  }
  writer.write(folder / "people.tsv");
}

void write_features(const fs::path& folder, const biotype_test::Outputs& out) {
  bids::TableWriter writer;
  writer.text("feature", out.features);
  for (int c = 0; c < out.chosen; ++c) {
    const Eigen::VectorXd mean = out.model.centroid.row(c);
    writer.numbers("centroid_" + std::to_string(c + 1), view(mean));
  }
  for (int f = 0; f < out.dimensional.factors; ++f) {
    const Eigen::VectorXd loading = out.dimensional.model.loadings.col(f);
    writer.numbers("loading_" + std::to_string(f + 1), view(loading));
  }
  writer.write(folder / "features.tsv");
}

void run_biotype_test(const Options& options) {
  const bids::Table table = bids::read_tsv(options.table);
  const biotype_test::Inputs inputs = read_inputs(options, table);
  const auto out = biotype_test::run(inputs, options.params, process_context());
  if (!out.not_done.empty()) throw Error(ErrorKind::gate, "not done: " + out.not_done);
  make_folder(options.out);
  const fs::path folder(options.out);
  write_statistics(folder, out);
  write_people(folder, table, out);
  write_features(folder, out);
  bids::TableWriter factors;
  std::vector<std::int64_t> number;
  for (Eigen::Index q = 0; q < out.dimensional.log_density.size(); ++q) number.push_back(q);
  factors.integers("factors", number).numbers("log_density", view(out.dimensional.log_density));
  factors.write(folder / "factors.tsv");
  bids::TableWriter null;
  null.numbers("largest_standardised_silhouette", view(out.test.null_largest));
  null.write(folder / "null.tsv");
  cache::write_file_atomically(folder / "verdict.json", verdict_json(options, out).dump(2) + "\n");
  std::cerr << out.used.size() << " people, " << out.features.size() << " features, p "
            << out.test.p_value << ": " << biotype_test::in_words(out.verdict) << '\n';
}

} // namespace

void add_biotype_test(CLI::App& stage_app) {
  const auto options = std::make_shared<Options>();
  CLI::App* app =
      stage_app.add_subcommand("biotype_test", std::string(biotype_test::kStage.summary));
  app->add_option("table", options->table, "a row per person, raw measures (TSV)")->required();
  app->add_option("--features", options->features,
                  "columns to cluster; default: every numeric column not named otherwise")
      ->delimiter(',');
  app->add_option("--site", options->site, "column of sites");
  app->add_option("--controls", options->controls,
                  "COLUMN=VALUE of healthy controls: the reference of z, not clustered");
  app->add_option("--covariates", options->covariates, "columns that harmonisation keeps")
      ->delimiter(',');
  app->add_option("--impute", options->impute, "none: people with a missing measure take no part")
      ->check(CLI::IsMember({"none", "median", "mean", "pmm"}))
      ->capture_default_str();
  app->add_option("--imputations", options->imputations,
                  "of pmm: labels are those that most imputations agree on")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app->add_option("--harmonise", options->harmonise, "sites, before clustering")
      ->check(CLI::IsMember({"none", "combat"}))
      ->capture_default_str();
  app->add_option("--groups", options->groups,
                  "the score each feature belongs to, for names (TSV: feature, group)");
  app->add_option("--out", options->out, "folder of the tables")->required();
  add_params(*app, options->params);
  app->callback([options] { run_biotype_test(*options); });
}

} // namespace boldmill::cli
