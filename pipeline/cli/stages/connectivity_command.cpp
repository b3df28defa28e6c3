// boldmill stage connectivity TS.tsv [TS2.tsv ...] --kind KIND --out M.tsv
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "pipeline/bids/text.hpp"
#include "pipeline/bids/tsv.hpp"
#include "pipeline/cli/stage_command.hpp"
#include "pipeline/cli/stages/people_table.hpp"
#include "pipeline/image_io/byte_source.hpp"
#include "stages/connectivity/connectivity_matrix.hpp"
#include "stages/connectivity/tangent.hpp"
#include "stages/connectivity/volume_selection.hpp"

namespace boldmill::cli {
namespace {

struct Options {
  std::vector<std::string> series, training, leave_out;
  std::string out;
  std::string kind = "correlation";
  connectivity_matrix::Params params;
  volume_selection::Params selection;
  tangent::Params tangent;
};

struct Series {
  std::vector<std::string> stated; // as the table has them, all columns
  std::vector<std::string> names;  // of the columns used, each once
  Eigen::MatrixXf values;          // volumes x regions
};

// Names that occur more than once get the number of their column, counted from 1, behind them.
std::vector<std::string> told_apart(const std::vector<std::string>& names) {
  std::map<std::string, int> uses;
  for (const std::string& name : names) ++uses[name];
  std::set<std::string> taken(names.begin(), names.end());
  std::vector<std::string> unique;
  for (std::size_t c = 0; c < names.size(); ++c) {
    unique.push_back(names[c]);
    if (uses[names[c]] == 1) continue;
    unique.back() += "_" + std::to_string(c + 1);
    while (!taken.insert(unique.back()).second) unique.back() += "_";
  }
  return unique;
}

std::string repeated(const std::vector<std::string>& names) {
  std::map<std::string, int> uses;
  std::string text;
  for (const std::string& name : names) {
    if (++uses[name] == 2) text += (text.empty() ? "" : ", ") + bids::display(name);
  }
  return text;
}

// A warning about one table is enough of those that have the same names.
void warn_repeated(const std::string& path, const std::vector<std::string>& names) {
  const std::string text = repeated(names);
  if (text.empty()) return;
  std::cerr << "warning: " << bids::display(path, 1000) << ": columns with the same name are told "
            << "apart by the number of their column: " << text << '\n';
}

Series read_series(const std::string& path, const Options& options) {
  const bids::Table table = read_table(path, bids::RepeatedNames::allow);
  const std::vector<std::string> names = told_apart(table.names());
  Series series;
  std::vector<std::size_t> columns;
  for (std::size_t c = 0; c < names.size(); ++c) {
    const auto unwanted = [&](const std::string& name) {
      return name == names[c] || name == table.names()[c];
    };
    if (std::ranges::any_of(options.leave_out, unwanted)) continue;
    columns.push_back(c);
    series.names.push_back(names[c]);
  }
  series.values.resize(static_cast<Eigen::Index>(table.n_rows()),
                       static_cast<Eigen::Index>(columns.size()));
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const std::vector<double> values = table.numbers(columns[i]);
    for (std::size_t t = 0; t < values.size(); ++t) {
      series.values(static_cast<Eigen::Index>(t), static_cast<Eigen::Index>(i)) =
          static_cast<float>(values[t]);
    }
  }
  series.stated = table.names();
  return series;
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
    list.push_back(read_series(path, options));
    check_names(list.back(), path, list.front(), options.series.front());
  }
  warn_repeated(options.series.front(), list.front().stated);
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
                          const Options& options) {
  return {paths.size(), [&paths, &first, &options](std::size_t k, tangent::Person& person) {
            Series series = read_series(paths[k], options);
            check_names(series, paths[k], first, options.series.front());
            person.series = std::move(series.values);
          }};
}

// One table a person; a row of R (R + 1) / 2 values each, the diagonal over sqrt(2).
void tangent_of_people(const Options& options, const Context& context) {
  const Series first = read_series(options.series.front(), options);
  warn_repeated(options.series.front(), first.stated);
  const std::vector<std::string>& training =
      options.training.empty() ? options.series : options.training;
  const tangent::Model model =
      tangent::fit(people_of(training, first, options), options.tangent, context);
  const std::size_t n = options.series.size();
  const auto r = model.regions.size();
  Eigen::MatrixXd rows(static_cast<Eigen::Index>(n), static_cast<Eigen::Index>(r * (r + 1) / 2));
  tangent::apply(
      model, people_of(options.series, first, options), options.tangent,
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
  app->add_option(
         "series", options->series,
         "tables of volumes by regions (.tsv, .tsv.gz); volumes that are n/a throughout are "
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
  app->add_option("--leave-out", options->leave_out, "columns that are no regions")->delimiter(',');
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
