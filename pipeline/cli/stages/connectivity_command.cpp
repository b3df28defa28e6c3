// boldmill stage connectivity TS.tsv [TS2.tsv ...] --kind KIND --out M.tsv
#include <filesystem>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/bids/tsv.hpp"
#include "pipeline/cli/stage_command.hpp"
#include "stages/connectivity/connectivity_matrix.hpp"
#include "stages/connectivity/tangent.hpp"
#include "stages/connectivity/volume_selection.hpp"

namespace boldmill::cli {
namespace {

struct Options {
  std::vector<std::string> series, training;
  std::string out;
  std::string kind = "correlation";
  connectivity_matrix::Params params;
  volume_selection::Params selection;
  tangent::Params tangent;
};

struct Series {
  std::vector<std::string> names;
  Eigen::MatrixXf values; // volumes x regions
};

Series read_series(const std::string& path) {
  const bids::Table table = bids::read_tsv(path);
  return {table.names(), table.matrix().cast<float>()};
}

// Volumes that are n/a in every region were censored.
std::vector<std::uint8_t> kept_rows(const Eigen::MatrixXf& series) {
  std::vector<std::uint8_t> keep;
  for (Eigen::Index t = 0; t < series.rows(); ++t) {
    keep.push_back(series.row(t).array().isNaN().all() ? 0 : 1);
  }
  return keep;
}

void check_names(const Series& series, const std::string& path, const Series& first,
                 const std::string& first_path) {
  if (series.names == first.names) return;
  throw Error(ErrorKind::input, path + ": its regions are not those of " + first_path);
}

// Several tables are runs of one person.
Eigen::MatrixXf one_person(const Options& options, std::vector<std::string>& names) {
  std::vector<Series> list;
  for (const std::string& path : options.series) {
    list.push_back(read_series(path));
    check_names(list.back(), path, list.front(), options.series.front());
  }
  names = list.front().names;
  if (list.size() == 1) return std::move(list.front().values);
  std::vector<volume_selection::Run> runs;
  for (const Series& s : list) {
    runs.push_back({{s.values.data(), s.values.rows(), s.values.cols()}, {}});
  }
  return volume_selection::combine(runs).series;
}

void matrix_of_person(const Options& options, const Context& context) {
  std::vector<std::string> names;
  const Eigen::MatrixXf series = one_person(options, names);
  const std::vector<std::uint8_t> keep =
      volume_selection::choose(kept_rows(series), options.selection, options.series.front());
  connectivity_matrix::Params params = options.params;
  params.kind = options.kind == "fisher_z" ? "correlation" : options.kind;
  Eigen::MatrixXd matrix =
      connectivity_matrix::run({{series.data(), series.rows(), series.cols()}, keep}, params,
                               context)
          .matrix;
  if (options.kind == "fisher_z") {
    matrix = matrix.array().atanh().matrix().eval();
    matrix.diagonal().setConstant(std::numeric_limits<double>::quiet_NaN());
  }
  bids::TableWriter writer;
  writer.text("Node", names);
  for (std::size_t b = 0; b < names.size(); ++b) {
    writer.numbers(names[b], std::span<const double>(
                                 matrix.col(static_cast<Eigen::Index>(b)).data(), names.size()));
  }
  writer.write(options.out);
}

tangent::People people_of(const std::vector<std::string>& paths, const Series& first,
                          const std::string& first_path) {
  return {paths.size(), [&paths, &first, &first_path](std::size_t k, tangent::Person& person) {
            Series series = read_series(paths[k]);
            check_names(series, paths[k], first, first_path);
            person.series = std::move(series.values);
          }};
}

// One table a person; a row of R (R + 1) / 2 values each, the diagonal over sqrt(2).
void tangent_of_people(const Options& options, const Context& context) {
  const Series first = read_series(options.series.front());
  const std::vector<std::string>& training =
      options.training.empty() ? options.series : options.training;
  const tangent::Model model =
      tangent::fit(people_of(training, first, options.series.front()), options.tangent, context);
  const std::size_t n = options.series.size();
  const auto r = model.regions.size();
  Eigen::MatrixXd rows(static_cast<Eigen::Index>(n), static_cast<Eigen::Index>(r * (r + 1) / 2));
  tangent::apply(
      model, people_of(options.series, first, options.series.front()), options.tangent,
      [&](std::size_t k, const Eigen::MatrixXd& d) {
        rows.row(static_cast<Eigen::Index>(k)) = tangent::vectorize(d).transpose();
      },
      context);
  bids::TableWriter writer;
  std::vector<std::string> sources;
  for (const std::string& path : options.series) {
    sources.push_back(std::filesystem::path(path).filename().string());
  }
  writer.text("source", sources);
  Eigen::Index column = 0;
  for (std::size_t a = 0; a < r; ++a) {
    for (std::size_t b = 0; b <= a; ++b) {
      const auto name = [&](std::size_t i) {
        return first.names[static_cast<std::size_t>(model.regions[i])];
      };
      writer.numbers(name(a) + "__" + name(b),
                     std::span<const double>(rows.col(column++).data(), n));
    }
  }
  writer.write(options.out);
}

void run_connectivity(const Options& options) {
  const Context context = process_context();
  if (options.kind == "tangent") return tangent_of_people(options, context);
  matrix_of_person(options, context);
}

} // namespace

void add_connectivity(CLI::App& stage_app) {
  const auto options = std::make_shared<Options>();
  CLI::App* app =
      stage_app.add_subcommand("connectivity", std::string(connectivity_matrix::kStage.summary));
  app->add_option("series", options->series,
                  "tables of volumes by regions (TSV); volumes that are n/a throughout are "
                  "censored; several are runs of one person, z-scored and combined, but for "
                  "tangent one person each")
      ->required();
  std::vector<std::string> kinds{"fisher_z", "tangent"};
  for (const std::string_view kind : connectivity_matrix::kKinds) kinds.emplace_back(kind);
  app->add_option("--kind", options->kind, "what an edge holds")
      ->check(CLI::IsMember(kinds))
      ->capture_default_str();
  app->add_option("--training", options->training,
                  "tangent: tables of the people whose geometric mean is the origin (default: "
                  "all)");
  app->add_option("--lag", options->params.lag, "lagged: how much later the column is [volumes]")
      ->capture_default_str();
  app->add_option("--min-volumes", options->params.min_volumes,
                  "fewer volumes kept are refused [volumes]")
      ->check(CLI::Range(4, 1000000))
      ->capture_default_str();
  app->add_option("--out", options->out,
                  "square table, the diagonal of fisher_z n/a; tangent: a row a person (TSV)")
      ->required();
  add_params(*app, options->selection);
  app->callback([options] {
    options->tangent.min_volumes = options->params.min_volumes;
    run_connectivity(*options);
  });
}

} // namespace boldmill::cli
