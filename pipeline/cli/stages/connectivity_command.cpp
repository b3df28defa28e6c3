// boldmill stage connectivity TS.tsv --kind {correlation,fisher_z} --out M.tsv
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/bids/tsv.hpp"
#include "pipeline/cli/stage_command.hpp"
#include "stages/connectivity/correlation.hpp"

namespace boldmill::cli {
namespace {

struct Options {
  std::string input, out;
  std::string kind = "correlation";
  correlation::Params params;
};

// Volumes that are n/a in every region were censored.
std::vector<std::uint8_t> kept_rows(const Eigen::MatrixXf& series) {
  std::vector<std::uint8_t> keep;
  for (Eigen::Index t = 0; t < series.rows(); ++t) {
    keep.push_back(series.row(t).array().isNaN().all() ? 0 : 1);
  }
  return keep;
}

void run_connectivity(const Options& options) {
  const Context context = process_context();
  const bids::Table table = bids::read_tsv(options.input);
  const Eigen::MatrixXf series = table.matrix().cast<float>();
  const std::vector<std::uint8_t> keep = kept_rows(series);
  const correlation::Inputs inputs{{series.data(), series.rows(), series.cols()}, keep, 0};
  const correlation::Outputs out = correlation::run(inputs, options.params, context);
  const bool fisher = options.kind == "fisher_z";
  const std::vector<double>& edges = fisher ? out.fisher_z : out.correlation;
  const std::vector<std::string>& names = table.names();
  Eigen::MatrixXd matrix(series.cols(), series.cols());
  for (std::size_t a = 0; a < names.size(); ++a) {
    for (std::size_t b = 0; b < names.size(); ++b) {
      double value = fisher ? std::numeric_limits<double>::quiet_NaN() : 1.0;
      if (a != b) value = edges[correlation::edge_index(a, b, names.size())];
      matrix(static_cast<Eigen::Index>(a), static_cast<Eigen::Index>(b)) = value;
    }
  }
  bids::TableWriter writer;
  writer.text("Node", names);
  for (std::size_t b = 0; b < names.size(); ++b) {
    writer.numbers(names[b], std::span<const double>(
                                 matrix.col(static_cast<Eigen::Index>(b)).data(), names.size()));
  }
  writer.write(options.out);
}

} // namespace

void add_connectivity(CLI::App& stage_app) {
  const auto options = std::make_shared<Options>();
  CLI::App* app =
      stage_app.add_subcommand("connectivity", std::string(correlation::kStage.summary));
  app->add_option("series", options->input,
                  "table of volumes by regions (TSV); volumes that are n/a throughout are censored")
      ->required();
  app->add_option("--kind", options->kind, "what an edge holds")
      ->check(CLI::IsMember({"correlation", "fisher_z"}))
      ->capture_default_str();
  app->add_option("--out", options->out, "square table; the diagonal of fisher_z is n/a (TSV)")
      ->required();
  add_params(*app, options->params);
  app->callback([options] { run_connectivity(*options); });
}

} // namespace boldmill::cli
