// boldmill stage biotypes TABLE.tsv --k 2:15 --nulls normal,permutation --repetitions 10000
// --resamplings 10000 --random-seed 1 --out DIR
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "pipeline/bids/text.hpp"
#include "pipeline/bids/tsv.hpp"
#include "pipeline/cli/stage_command.hpp"
#include "pipeline/cli/stages/table_columns.hpp"
#include "stages/cohort/biotypes.hpp"

namespace boldmill::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string table, site, groups, out, range;
  std::vector<std::string> features;
  biotypes::Params params;
};

std::span<const double> view(const Eigen::VectorXd& values) {
  return {values.data(), static_cast<std::size_t>(values.size())};
}

// "2:15" or "6".
void read_range(const std::string& text, biotypes::Params& params) {
  if (text.empty()) return;
  const std::size_t colon = text.find(':');
  const auto low = bids::parse_number(text.substr(0, colon));
  const auto high = colon == std::string::npos ? low : bids::parse_number(text.substr(colon + 1));
  if (!low || !high || *low < 2 || *high < *low || *high > 1000 || *low != std::floor(*low) ||
      *high != std::floor(*high)) {
    throw Error(ErrorKind::usage, "--k: found " + bids::display(text, 40) +
                                      ", expected numbers of clusters from 2 on, e.g. 2:15");
  }
  params.k_min = static_cast<int>(*low);
  params.k_max = static_cast<int>(*high);
}

// The score of every feature, from a table with columns feature and group.
std::vector<std::string> groups_of(const std::string& file,
                                   const std::vector<std::string>& features) {
  if (file.empty()) return {};
  const bids::Table table = bids::read_tsv(file);
  (void)table.require("feature");
  (void)table.require("group");
  const std::vector<std::string> names = table.text("feature");
  const std::vector<std::string> group = table.text("group");
  std::vector<std::string> out;
  for (const std::string& feature : features) {
    const auto found = std::find(names.begin(), names.end(), feature);
    if (found == names.end()) {
      throw Error(ErrorKind::input, file + ": no row for feature " + bids::display(feature, 200));
    }
    out.push_back(group[static_cast<std::size_t>(found - names.begin())]);
  }
  return out;
}

biotypes::Inputs read_inputs(const Options& options, const bids::Table& table) {
  biotypes::Inputs out;
  out.features = options.features;
  if (out.features.empty()) {
    const std::set<std::string> other = {options.site, "participant_id", "session_id"};
    for (std::size_t c = 0; c < table.n_columns(); ++c) {
      if (table.is_numeric(c) && !other.contains(table.names()[c])) {
        out.features.push_back(table.names()[c]);
      }
    }
  }
  out.x = table.matrix(out.features);
  if (out.features.empty()) out.x.resize(static_cast<Eigen::Index>(table.n_rows()), 0);
  out.group = groups_of(options.groups, out.features);
  if (!options.site.empty()) {
    (void)table.require(options.site);
    out.site = levels_of(table.text(options.site)).id;
  }
  return out;
}

Eigen::VectorXd p_of(const biotypes::Outputs& out, const std::string& name) {
  for (const auto& null : out.nulls) {
    if (null.name == name) return null.p_value;
  }
  return Eigen::VectorXd::Constant(out.silhouette.size(), std::numeric_limits<double>::quiet_NaN());
}

void write_statistics(const fs::path& folder, const biotypes::Outputs& out) {
  const std::vector<std::int64_t> k(out.k.begin(), out.k.end());
  bids::TableWriter writer;
  writer.integers("k", k).numbers("silhouette", view(out.silhouette));
  writer.numbers("within_sum", view(out.within_sum));
  writer.numbers("ari_resampling", view(out.ari_resampling));
  writer.numbers("p_normal", view(p_of(out, "normal")));
  writer.numbers("p_permutation", view(p_of(out, "permutation")));
  writer.numbers("ari_leave_one_out", view(out.ari_leave_one_out));
  for (const auto& null : out.nulls) {
    if (null.silhouette.rows() == 0) continue;
    const Eigen::VectorXd mean = null.silhouette.colwise().mean();
    writer.numbers("silhouette_" + null.name + "_mean", view(mean));
  }
  const std::pair<const char*, const Eigen::MatrixXd&> stability[] = {
      {"ari_leave_one_out", out.stability.leave_one_out},
      {"ari_resampling", out.stability.resampling},
      {"split_profile_r", out.stability.split_profile_r},
      {"split_ari", out.stability.split_ari}};
  for (const auto& [name, values] : stability) {
    if (values.rows() == 0) continue;
    const Eigen::VectorXd mean = values.colwise().mean();
    writer.numbers(std::string(name) + "_normal_mean", view(mean));
  }
  writer.write(folder / "statistics.tsv");
}

void write_splits(const fs::path& folder, const biotypes::Outputs& out, const Levels& site) {
  std::vector<std::string> names;
  std::vector<std::int64_t> k, training, test;
  std::vector<double> profile_r, ari;
  for (const auto& split : out.splits) {
    std::string name = split.name;
    if (name.starts_with("site ")) {
      name = "site " + site.names[static_cast<std::size_t>(std::stoi(name.substr(5)))];
    }
    for (std::size_t i = 0; i < out.k.size(); ++i) {
      names.push_back(name);
      k.push_back(out.k[i]);
      training.push_back(split.n_training);
      test.push_back(split.n_test);
      profile_r.push_back(split.profile_r[static_cast<Eigen::Index>(i)]);
      ari.push_back(split.ari[static_cast<Eigen::Index>(i)]);
    }
  }
  bids::TableWriter writer;
  writer.text("held_out", names).integers("k", k).integers("n_training", training);
  writer.integers("n_held_out", test).numbers("profile_r", profile_r).numbers("ari", ari);
  writer.write(folder / "splits.tsv");
}

void write_assignments(const fs::path& folder, const bids::Table& table,
                       const biotypes::Outputs& out) {
  bids::TableWriter writer;
  for (const char* id : {"participant_id", "session_id"}) {
    if (table.has(id)) writer.text(id, table.text(id));
  }
  const auto labels = [&](int k) {
    std::vector<std::string> text;
    for (const int label : out.label.col(k - out.k.front())) {
      text.push_back(label < 0 ? "" : std::to_string(label + 1));
    }
    return text;
  };
  writer.text("cluster", labels(out.chosen)).numbers("silhouette", view(out.width));
  writer.numbers("margin", view(out.margin));
  for (Eigen::Index c = 0; c < out.to_centroid.cols(); ++c) {
    const Eigen::VectorXd r = out.to_centroid.col(c);
    writer.numbers("r_" + std::to_string(c + 1), view(r));
  }
  for (const int k : out.k) writer.text("cluster_of_" + std::to_string(k), labels(k));
  writer.write(folder / "assignments.tsv");
}

void write_centroids(const fs::path& folder, const biotypes::Inputs& inputs,
                     const biotypes::Outputs& out) {
  std::vector<std::int64_t> cluster;
  for (int c = 1; c <= out.chosen; ++c) cluster.push_back(c);
  const std::vector<std::int64_t> size(out.size.begin(), out.size.end());
  bids::TableWriter writer;
  writer.integers("cluster", cluster).integers("n", size).text("profile_name", out.profile_name);
  for (std::size_t f = 0; f < inputs.features.size(); ++f) {
    const Eigen::VectorXd mean = out.centroid.col(static_cast<Eigen::Index>(f));
    writer.numbers(inputs.features[f], view(mean));
  }
  writer.write(folder / "centroids.tsv");
}

// A row per table without clusters, a column per k.
void write_null(const fs::path& file, const Eigen::MatrixXd& values, const std::vector<int>& k) {
  if (values.rows() == 0) return;
  std::vector<std::string> names;
  for (const int value : k) names.push_back("k" + std::to_string(value));
  bids::write_tsv(file, names, values);
}

void run_biotypes(Options options) {
  const Context context = process_context();
  read_range(options.range, options.params);
  const bids::Table table = bids::read_tsv(options.table);
  const biotypes::Inputs inputs = read_inputs(options, table);
  const biotypes::Outputs out = biotypes::run(inputs, options.params, context);
  if (!out.not_done.empty()) throw Error(ErrorKind::gate, "not done: " + out.not_done);
  std::cerr
      << out.used.size() << " of " << table.n_rows() << " people with all of "
      << inputs.features.size() << " features; " << out.chosen << " clusters described\n"
      << "note: p_permutation says that features are correlated, not that there are clusters\n";
  const fs::path folder(options.out);
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (failed) throw Error(ErrorKind::disk, options.out + ": " + failed.message());
  write_statistics(folder, out);
  write_splits(folder, out, options.site.empty() ? Levels{} : levels_of(table.text(options.site)));
  write_assignments(folder, table, out);
  write_centroids(folder, inputs, out);
  for (const auto& null : out.nulls) {
    write_null(folder / ("null_silhouette_" + null.name + ".tsv"), null.silhouette, out.k);
  }
  write_null(folder / "null_ari_leave_one_out.tsv", out.stability.leave_one_out, out.k);
  write_null(folder / "null_ari_resampling.tsv", out.stability.resampling, out.k);
  write_null(folder / "null_split_profile_r.tsv", out.stability.split_profile_r, out.k);
  write_null(folder / "null_split_ari.tsv", out.stability.split_ari, out.k);
}

} // namespace

void add_biotypes(CLI::App& stage_app) {
  const auto options = std::make_shared<Options>();
  CLI::App* app = stage_app.add_subcommand("biotypes", std::string(biotypes::kStage.summary));
  app->add_option("table", options->table, "a row per person, standardised features (TSV)")
      ->required();
  app->add_option("--k", options->range,
                  "numbers of clusters, e.g. 2:15; the same as --k-min --k-max");
  app->add_option("--features", options->features,
                  "columns to cluster; default: every numeric column but the site")
      ->delimiter(',');
  app->add_option("--site", options->site, "column of sites: each is left out once");
  app->add_option("--groups", options->groups,
                  "the score each feature belongs to, for names (TSV: feature, group)");
  app->add_option("--out", options->out, "folder of the tables")->required();
  add_params(*app, options->params);
  app->get_option("--nulls")->delimiter(',');
  app->callback([options] { run_biotypes(*options); });
}

} // namespace boldmill::cli
