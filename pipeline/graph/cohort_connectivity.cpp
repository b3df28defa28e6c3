#include "pipeline/graph/cohort_connectivity.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "stages/connectivity/volume_selection.hpp"
#include "stages/core/outcome.hpp"

namespace boldmill::graph {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kFewestPeople = 10;
constexpr double kMostBytes = 2e9;   // of one table of edges
constexpr double kEnoughKnown = 0.9; // share of people with a covariate

bool enters(const store::RunRecord& run, const std::string& task) {
  return run.task == task && (run.status == "ok" || run.status == "warning");
}

// The runs of each row, in the order of the file.
std::vector<std::vector<store::RunRecord>> runs_by_row(const store::CohortReader& reader) {
  std::vector<std::vector<store::RunRecord>> rows(reader.n_rows());
  store::RunTable table = reader.runs();
  for (std::size_t r = 0; r < table.run.size(); ++r) {
    rows[static_cast<std::size_t>(table.row[r])].push_back(std::move(table.run[r]));
  }
  return rows;
}

struct Series {
  Eigen::MatrixXf values; // T x R, 0 rows without a usable run
  std::vector<std::uint8_t> keep;
};

Series series_of(const store::CohortReader& reader, const std::vector<store::RunRecord>& runs,
                 const std::string& task, const std::string& atlas) {
  std::vector<store::RunRecord> read;
  for (const store::RunRecord& run : runs) {
    if (!enters(run, task)) continue;
    read.push_back({});
    read.back().run_id = run.run_id;
    reader.read_run(read.back());
    if (read.back().series[atlas].denoised.size() == 0) read.pop_back();
  }
  std::vector<volume_selection::Run> parts;
  for (const store::RunRecord& run : read) {
    const Eigen::MatrixXf& denoised = run.series.at(atlas).denoised;
    parts.push_back({{denoised.data(), denoised.rows(), denoised.cols()}, run.kept});
  }
  if (parts.empty()) return {};
  if (parts.size() == 1) return {read[0].series.at(atlas).denoised, read[0].kept};
  volume_selection::Combined combined = volume_selection::combine(parts);
  return {std::move(combined.series), std::move(combined.keep)};
}

std::set<std::pair<std::string, std::string>> sources_of(const store::CohortReader& reader) {
  std::set<std::pair<std::string, std::string>> sources;
  for (const auto& name : reader.connectivity_names()) sources.emplace(name.source, name.atlas);
  return sources;
}

const store::AtlasRecord& atlas_of(const store::CohortReader& reader, const std::string& name) {
  const auto& atlases = reader.header().atlases;
  return *std::find_if(atlases.begin(), atlases.end(),
                       [&name](const auto& atlas) { return atlas.name == name; });
}

// Displacement of one person into row `row` of the record.
void put(const tangent::Model& model, const Eigen::MatrixXd& displacement, Eigen::Index row,
         store::TangentRecord& record) {
  const Eigen::Index n = model.n_regions;
  const auto& used = model.regions;
  const auto edge = [n](Eigen::Index a, Eigen::Index b) {
    return a * n - a * (a + 1) / 2 + b - a - 1;
  };
  for (std::size_t i = 0; i < used.size(); ++i) {
    for (std::size_t j = i; j < used.size(); ++j) {
      const double value = displacement(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j));
      if (i == j) {
        record.diagonal(row, used[i]) = value;
      } else {
        record.edges(row, edge(used[i], used[j])) = value;
      }
    }
  }
}

std::vector<std::size_t> rows_with_a_matrix(const store::CohortReader& reader,
                                            const std::string& task, const std::string& atlas) {
  std::vector<std::size_t> rows;
  for (const store::ConnectivityName& name : reader.connectivity_names()) {
    if (name.source != task || name.atlas != atlas) continue;
    const auto n_volumes = reader.connectivity_n_volumes(name);
    for (std::size_t row = 0; row < n_volumes.size(); ++row) {
      if (n_volumes[row] > 0) rows.push_back(row);
    }
    break; // the same for every kind
  }
  return rows;
}

// Why a table of edges of the whole cohort is not made; "" when it fits.
std::string too_large(std::size_t n_edges, std::size_t n_rows) {
  const double bytes = static_cast<double>(n_edges) * static_cast<double>(n_rows) * sizeof(double);
  if (bytes <= kMostBytes) return "";
  return "the table of edges has " + std::to_string(static_cast<int>(bytes / 1e9)) +
         " GB, expected at most 2";
}

void add_tangent(const store::CohortReader& reader, const config::Config& config,
                 const std::pair<std::string, std::string>& source,
                 const std::vector<std::vector<store::RunRecord>>& runs,
                 store::CohortResults& results, const Context& context) {
  const auto& [task, atlas] = source;
  const std::vector<std::size_t> rows = rows_with_a_matrix(reader, task, atlas);
  const store::ParticipantsTable who = reader.participants();
  tangent::People people;
  people.n = rows.size();
  people.load = [&, &task = task, &atlas = atlas](std::size_t k, tangent::Person& person) {
    Series series = series_of(reader, runs[rows[k]], task, atlas);
    const volume_selection::Params chosen{config.connectivity.n_volumes,
                                          config.connectivity.random_seed};
    if (chosen.n_volumes > 0) { // as for the other kinds
      series.keep = volume_selection::choose(
          series.keep, chosen, who.participant_id[rows[k]] + who.session_id[rows[k]] + task);
    }
    person.series = std::move(series.values);
    person.keep = std::move(series.keep);
    person.covariance.resize(0, 0);
  };
  const std::size_t n_regions = atlas_of(reader, atlas).label.size();
  const std::string why = too_large(n_regions * (n_regions - 1) / 2, runs.size());
  if (!why.empty()) throw Error(ErrorKind::gate, why);
  const tangent::Model model = tangent::fit(people, config.tangent, context);
  store::TangentRecord record;
  record.source = task;
  record.atlas = atlas;
  record.n_people = static_cast<std::int32_t>(model.n_training);
  const Eigen::Index n = model.n_regions;
  const auto n_rows = static_cast<Eigen::Index>(runs.size());
  record.edges.setConstant(n_rows, n * (n - 1) / 2, kNaN);
  record.diagonal.setConstant(n_rows, n, kNaN);
  record.mean.setConstant(n, n, kNaN);
  for (std::size_t i = 0; i < model.regions.size(); ++i) {
    for (std::size_t j = 0; j < model.regions.size(); ++j) {
      record.mean(model.regions[i], model.regions[j]) =
          model.mean(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j));
    }
  }
  tangent::apply(
      model, people, config.tangent,
      [&](std::size_t k, const Eigen::MatrixXd& displacement) { // rows are apart
        put(model, displacement, static_cast<Eigen::Index>(rows[k]), record);
      },
      context);
  if (static_cast<std::size_t>(n) > model.regions.size()) {
    results.not_done.push_back({"tangent/" + task + "/" + atlas + ", regions",
                                std::to_string(static_cast<std::size_t>(n) - model.regions.size()) +
                                    " of " + std::to_string(n) +
                                    " regions are missing in someone and left out"});
  }
  results.tangents.push_back(std::move(record));
}

// A column of numbers; text of two values becomes 0 and 1.
std::vector<double> covariate(const store::ParticipantsTable& people, const std::string& name) {
  const auto found = people.columns.find(name);
  if (found == people.columns.end()) return {};
  std::vector<double> values = store::as_numbers(found->second);
  std::set<std::string> levels;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i]) && !found->second[i].empty()) levels.insert(found->second[i]);
  }
  if (levels.size() == 2) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = found->second[i].empty() ? kNaN : (found->second[i] == *levels.begin() ? 0 : 1);
    }
  } else if (!levels.empty()) {
    return {};
  }
  const auto known =
      std::count_if(values.begin(), values.end(), [](double value) { return !std::isnan(value); });
  const bool enough =
      static_cast<double>(known) >= kEnoughKnown * static_cast<double>(values.size());
  return enough ? values : std::vector<double>();
}

std::vector<double> distances(const store::AtlasRecord& atlas) {
  std::vector<double> out;
  for (std::size_t a = 0; a < atlas.label.size(); ++a) {
    for (std::size_t b = a + 1; b < atlas.label.size(); ++b) {
      out.push_back(std::hypot(atlas.x_mm[a] - atlas.x_mm[b], atlas.y_mm[a] - atlas.y_mm[b],
                               atlas.z_mm[a] - atlas.z_mm[b]));
    }
  }
  return out;
}

store::QcFcRecord record_of(const qc_fc::Outputs& found, const store::ConnectivityName& name,
                            const std::vector<std::string>& covariates) {
  store::QcFcRecord record;
  record.source = name.source;
  record.atlas = name.atlas;
  record.kind = name.kind;
  record.r.assign(found.r.begin(), found.r.end());
  record.p.assign(found.p.begin(), found.p.end());
  record.covariates = covariates;
  record.n_people = found.n_people;
  const auto add = [&record](const char* what, const qc_fc::Statistic& statistic) {
    record.summary.push_back({what, statistic.value, kNaN, kNaN, statistic.p});
    record.null[what].assign(statistic.null.begin(), statistic.null.end());
  };
  add("median_absolute_r", found.median_absolute_r);
  add("share_significant", found.share_significant);
  add("distance_dependence", found.distance_dependence);
  return record;
}

// Mean framewise displacement over the runs of the task that entered.
Eigen::VectorXd motion_of(const std::vector<std::vector<store::RunRecord>>& runs,
                          const std::string& task) {
  Eigen::VectorXd motion = Eigen::VectorXd::Constant(static_cast<Eigen::Index>(runs.size()), kNaN);
  for (std::size_t row = 0; row < runs.size(); ++row) {
    double sum = 0.0;
    int n = 0;
    for (const store::RunRecord& run : runs[row]) {
      if (!enters(run, task) || std::isnan(run.mean_fd_mm)) continue;
      sum += run.mean_fd_mm;
      ++n;
    }
    if (n > 0) motion[static_cast<Eigen::Index>(row)] = sum / n;
  }
  return motion;
}

// The kind of a source and atlas that is examined.
std::vector<store::ConnectivityName> examined(const store::CohortReader& reader) {
  std::vector<store::ConnectivityName> out;
  const auto rank = [](const std::string& kind) {
    return kind == "fisher_z" ? 0 : kind == "correlation" ? 1 : 2;
  };
  for (const auto& name : reader.connectivity_names()) {
    const auto same = std::find_if(out.begin(), out.end(), [&name](const auto& other) {
      return other.source == name.source && other.atlas == name.atlas;
    });
    if (same == out.end()) {
      out.push_back(name);
    } else if (rank(name.kind) < rank(same->kind)) {
      *same = name;
    }
  }
  return out;
}

// N x edges, read by blocks of rows: the whole in double precision would be twice as large again.
Eigen::MatrixXf in_single_precision(const store::CohortReader& reader,
                                    const store::ConnectivityName& name, std::size_t n_edges) {
  constexpr std::size_t kRows = 256;
  const std::size_t n = reader.n_rows();
  Eigen::MatrixXf out(static_cast<Eigen::Index>(n), static_cast<Eigen::Index>(n_edges));
  for (std::size_t first = 0; first < n; first += kRows) {
    const Eigen::MatrixXd block = reader.connectivity_rows(name, first, std::min(kRows, n - first));
    if (block.cols() != out.cols()) {
      throw Error(ErrorKind::input, name.source + "/" + name.atlas + ": found " +
                                        std::to_string(block.cols()) + " edges, expected " +
                                        std::to_string(n_edges));
    }
    out.middleRows(static_cast<Eigen::Index>(first), block.rows()) = block.cast<float>();
  }
  return out;
}

} // namespace

void add_tangents(const store::CohortReader& reader, const config::Config& config,
                  store::CohortResults& results, const Context& context) {
  const auto& kinds = config.connectivity.kinds;
  if (std::find(kinds.begin(), kinds.end(), "tangent") == kinds.end()) return;
  const auto runs = runs_by_row(reader);
  for (const auto& source : sources_of(reader)) {
    const auto done = capture([&] {
      add_tangent(reader, config, source, runs, results, context);
      return true;
    });
    const auto* failure = std::get_if<Failure>(&done);
    if (failure == nullptr) continue;
    if (failure->kind != ErrorKind::input && failure->kind != ErrorKind::gate) {
      throw Error(failure->kind, failure->message);
    }
    results.not_done.push_back({"tangent/" + source.first + "/" + source.second, failure->message});
  }
}

void add_qc_fc(const store::CohortReader& reader, const config::Config& config,
               store::CohortResults& results, const Context& context) {
  const auto names = examined(reader);
  if (names.empty()) return;
  if (reader.n_rows() < kFewestPeople) {
    results.not_done.push_back({"qc_fc", "found " + std::to_string(reader.n_rows()) +
                                             " people, expected at least " +
                                             std::to_string(kFewestPeople)});
    return;
  }
  const auto runs = runs_by_row(reader);
  const auto people = reader.participants();
  std::vector<std::string> used;
  Eigen::MatrixXd covariates(static_cast<Eigen::Index>(reader.n_rows()), 0);
  for (const std::string& column : {config.cohort.age_column, config.cohort.sex_column}) {
    const std::vector<double> values = covariate(people, column);
    if (values.empty()) continue;
    used.push_back(column);
    covariates.conservativeResize(Eigen::NoChange, covariates.cols() + 1);
    covariates.rightCols(1) =
        Eigen::Map<const Eigen::VectorXd>(values.data(), static_cast<Eigen::Index>(values.size()));
  }
  for (const store::ConnectivityName& name : names) {
    const std::vector<double> apart = distances(atlas_of(reader, name.atlas));
    const std::string analysis = "qc_fc/" + name.source + "/" + name.atlas;
    if (const std::string why = too_large(apart.size(), reader.n_rows()); !why.empty()) {
      results.not_done.push_back({analysis, why});
      continue;
    }
    const auto done = capture([&] {
      const Eigen::MatrixXf edges = in_single_precision(reader, name, apart.size());
      qc_fc::Inputs inputs{
          {edges.data(), edges.rows(), edges.cols()},
          motion_of(runs, name.source),
          covariates,
          Eigen::Map<const Eigen::VectorXd>(apart.data(), static_cast<Eigen::Index>(apart.size()))};
      return qc_fc::run(inputs, config.qc_fc, context);
    });
    if (const auto* failure = std::get_if<Failure>(&done)) {
      if (failure->kind != ErrorKind::input) throw Error(failure->kind, failure->message);
      results.not_done.push_back({analysis, failure->message});
      continue;
    }
    results.qc_fc.push_back(record_of(std::get<qc_fc::Outputs>(done), name, used));
  }
}

} // namespace boldmill::graph
