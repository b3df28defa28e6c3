// boldmill stage qc_fc EDGES.tsv --people PEOPLE.tsv --motion mean_fd [--covariates age,sex]
//                      [--distance D.tsv] --out EDGES_OUT.tsv --summary SUMMARY.tsv
#include <memory>
#include <string>
#include <vector>

#include "pipeline/bids/tsv.hpp"
#include "pipeline/cli/stage_command.hpp"
#include "pipeline/cli/stages/people_table.hpp"
#include "stages/denoise/qc_fc.hpp"

namespace boldmill::cli {
namespace {

struct Options {
  std::vector<std::string> edges;
  std::string people, motion, distance, out, summary;
  std::vector<std::string> covariates;
  qc_fc::Params params;
};

void run_qc_fc(const Options& options) {
  const Context context = process_context();
  // With participant_id in both the tables are joined by it, else by their order.
  const bids::Table first = read_table(options.edges.front());
  const bool by_name = first.has("participant_id");
  const bids::Table table = read_people_table(options.edges, by_name ? options.people : "");
  std::vector<std::string> names;
  for (const std::string& name : first.names()) {
    if (name != "participant_id" && name != "session_id") names.push_back(name);
  }
  const Eigen::MatrixXf edges = table.matrix(names).cast<float>();
  const bids::Table people = by_name ? table : bids::read_tsv(options.people);
  qc_fc::Inputs inputs{.edges = {edges.data(), edges.rows(), edges.cols()}};
  inputs.motion = people.matrix({options.motion});
  if (!options.covariates.empty()) inputs.covariates = people.matrix(options.covariates);
  if (!options.distance.empty()) {
    const bids::Table distances = bids::read_tsv(options.distance);
    inputs.distance_mm = distances.matrix({"distance"});
  }
  const qc_fc::Outputs out = qc_fc::run(inputs, options.params, context);
  const auto span = [](const Eigen::VectorXd& v) {
    return std::span<const double>(v.data(), static_cast<std::size_t>(v.size()));
  };
  bids::TableWriter()
      .text("edge", names)
      .numbers("r", span(out.r))
      .numbers("p", span(out.p))
      .write(options.out);
  const std::vector<const qc_fc::Statistic*> all{&out.median_absolute_r, &out.share_significant,
                                                 &out.distance_dependence};
  std::vector<double> value, p;
  for (const auto* statistic : all) {
    value.push_back(statistic->value);
    p.push_back(statistic->p);
  }
  bids::TableWriter()
      .text("statistic", {"median_absolute_r", "share_significant", "distance_dependence"})
      .numbers("value", value)
      .numbers("p_permutation", p)
      .write(options.summary);
}

} // namespace

void add_qc_fc(CLI::App& stage_app) {
  const auto options = std::make_shared<Options>();
  CLI::App* app =
      stage_app.add_subcommand(std::string(qc_fc::kStage.name), std::string(qc_fc::kStage.summary));
  app->add_option("edges", options->edges,
                  "one row a person, one column an edge (.tsv, .tsv.gz); several files have the "
                  "same columns")
      ->required();
  app->add_option(
         "--people", options->people,
         "one row a person (TSV): joined by participant_id where the edges have it, else in the "
         "same order")
      ->required();
  app->add_option("--motion", options->motion, "column of the people: mean FD [mm]")->required();
  app->add_option("--covariates", options->covariates, "numeric columns of the people")
      ->delimiter(',');
  app->add_option("--distance", options->distance,
                  "one row an edge, column distance [mm] (TSV), in the order of the edges");
  app->add_option("--out", options->out, "r and p of every edge (TSV)")->required();
  app->add_option("--summary", options->summary, "the three statistics (TSV)")->required();
  add_params(*app, options->params);
  app->callback([options] { run_qc_fc(*options); });
}

} // namespace boldmill::cli
