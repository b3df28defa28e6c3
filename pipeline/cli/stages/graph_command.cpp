// boldmill stage {graph_measures,modularity} M.tsv --out NODES.tsv
// boldmill stage sliding_window TS.tsv --out EDGES.tsv
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/bids/text.hpp"
#include "pipeline/bids/tsv.hpp"
#include "pipeline/cli/stage_command.hpp"
#include "stages/connectivity/graph_measures.hpp"
#include "stages/connectivity/modularity.hpp"
#include "stages/connectivity/sliding_window.hpp"

namespace boldmill::cli {
namespace {

struct Square {
  std::vector<std::string> names;
  Eigen::MatrixXd matrix;

  [[nodiscard]] Eigen::Map<const Eigen::MatrixXd> map() const {
    return {matrix.data(), matrix.rows(), matrix.cols()};
  }
};

// A square table as `stage connectivity` writes it: a first column Node, then one for each region.
Square read_square(const std::string& path) {
  const bids::Table table = bids::read_tsv(path);
  Square out;
  out.names = table.names();
  if (!out.names.empty() && out.names.front() == "Node") out.names.erase(out.names.begin());
  out.matrix = table.matrix(out.names);
  return out;
}

} // namespace

void add_graph_measures(CLI::App& stage_app) {
  struct Options {
    std::string input, modules, out;
    graph_measures::Params params;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* app = stage_app.add_subcommand(std::string(graph_measures::kStage.name),
                                           std::string(graph_measures::kStage.summary));
  app->add_option("matrix", options->input, "square table (TSV), as stage connectivity writes")
      ->required();
  app->add_option("--modules", options->modules,
                  "table with a column module, a row a region, for the participation (TSV)");
  app->add_option("--out", options->out, "table of nodes (TSV)")->required();
  add_params(*app, options->params);
  app->callback([options] {
    const Square square = read_square(options->input);
    std::vector<int> modules;
    if (!options->modules.empty()) {
      for (const double m : bids::read_tsv(options->modules).numbers("module")) {
        modules.push_back(static_cast<int>(m));
      }
    }
    const graph_measures::Outputs out =
        graph_measures::run({square.map(), modules}, options->params, process_context());
    bids::TableWriter writer;
    writer.text("Node", square.names);
    writer.numbers("strength_positive", out.strength_positive);
    writer.numbers("strength_negative", out.strength_negative);
    writer.numbers("clustering_positive", out.clustering_positive);
    writer.numbers("clustering_negative", out.clustering_negative);
    writer.numbers("clustering_zhang_positive", out.clustering_zhang_positive);
    writer.numbers("clustering_zhang_negative", out.clustering_zhang_negative);
    if (options->params.local_efficiency) writer.numbers("local_efficiency", out.local_efficiency);
    if (!modules.empty()) {
      writer.numbers("participation_positive", out.participation_positive);
      writer.numbers("participation_negative", out.participation_negative);
    }
    writer.write(options->out);
    std::cout << "global_efficiency\t" << bids::format_number(out.global_efficiency)
              << "\nn_nodes\t" << out.n_nodes << "\nn_edges\t" << out.n_edges << '\n';
  });
}

void add_modularity(CLI::App& stage_app) {
  struct Options {
    std::string input, out;
    modularity::Params params;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* app = stage_app.add_subcommand(std::string(modularity::kStage.name),
                                           std::string(modularity::kStage.summary));
  app->add_option("matrix", options->input, "square table (TSV), as stage connectivity writes")
      ->required();
  app->add_option("--out", options->out, "table of nodes with their module (TSV)")->required();
  add_params(*app, options->params);
  app->callback([options] {
    const Square square = read_square(options->input);
    const modularity::Outputs out =
        modularity::run({square.map()}, options->params, process_context());
    bids::TableWriter writer;
    writer.text("Node", square.names);
    writer.integers("module", std::vector<std::int64_t>(out.module.begin(), out.module.end()));
    writer.write(options->out);
    std::cout << "q\t" << bids::format_number(out.q) << "\nn_modules\t" << out.n_modules
              << "\np_value\t" << bids::format_number(out.p_value) << "\nz_score\t"
              << bids::format_number(out.z_score) << '\n';
  });
}

void add_sliding_window(CLI::App& stage_app) {
  struct Options {
    std::string input, out;
    sliding_window::Params params;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* app = stage_app.add_subcommand(std::string(sliding_window::kStage.name),
                                           std::string(sliding_window::kStage.summary));
  app->add_option("series", options->input,
                  "table of volumes by regions (TSV); volumes that are n/a throughout are censored")
      ->required();
  app->add_option("--out", options->out, "table of edges: mean and SD of z over windows (TSV)")
      ->required();
  add_params(*app, options->params);
  app->callback([options] {
    const bids::Table table = bids::read_tsv(options->input);
    const Eigen::MatrixXf series = table.matrix().cast<float>();
    const sliding_window::Outputs out = sliding_window::run(
        {{series.data(), series.rows(), series.cols()}, {}}, options->params, process_context());
    std::vector<std::string> first, second;
    for (std::size_t a = 0; a < table.n_columns(); ++a) {
      for (std::size_t b = a + 1; b < table.n_columns(); ++b) {
        first.push_back(table.names()[a]);
        second.push_back(table.names()[b]);
      }
    }
    bids::TableWriter writer;
    writer.text("edge_a", first).text("edge_b", second);
    writer.numbers("mean_z", out.mean_z).numbers("sd_z", out.sd_z);
    writer.write(options->out);
    std::cout << "n_windows\t" << out.n_windows << "\nmean_sd\t" << bids::format_number(out.mean_sd)
              << "\np_value\t" << bids::format_number(out.p_value) << '\n';
  });
}

} // namespace boldmill::cli
