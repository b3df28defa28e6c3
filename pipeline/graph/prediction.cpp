#include "pipeline/graph/prediction.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "pipeline/graph/cohort_chain.hpp"
#include "pipeline/graph/frozen_model.hpp"
#include "pipeline/graph/model_card.hpp"
#include "pipeline/store/healthy.hpp"
#include "stages/core/statistics.hpp"

namespace boldmill::graph {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
using Text = std::vector<std::string>;

struct Target {
  Eigen::VectorXd y;
  Text class_name; // of a text column with two values
  std::string problem;
};

Target target_of(const store::ParticipantsTable& people, const std::string& name) {
  Target target;
  const Text* column = column_of(people, name);
  if (column == nullptr) {
    target.problem = "participants.tsv has no column " + name +
                     " among the admitted ones (input.participant_columns)";
    return target;
  }
  const std::vector<double> numbers = store::as_numbers(*column);
  target.y = Eigen::VectorXd::Constant(static_cast<Eigen::Index>(column->size()), kNaN);
  bool numeric = true;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    numeric = numeric && ((*column)[i].empty() || !std::isnan(numbers[i]));
    target.y[static_cast<Eigen::Index>(i)] = numbers[i];
  }
  if (numeric) return target;
  const auto [levels, number] = levels_of(*column);
  if (levels.size() != 2) {
    target.problem = "column " + name + " holds text with " + std::to_string(levels.size()) +
                     " values, expected numbers or two values";
    return target;
  }
  target.class_name = levels;
  for (std::size_t i = 0; i < number.size(); ++i) {
    target.y[static_cast<Eigen::Index>(i)] = number[i] < 0 ? kNaN : number[i];
  }
  return target;
}

Eigen::MatrixXd one_hot(const std::vector<int>& number, std::size_t n_levels) {
  Eigen::MatrixXd x = Eigen::MatrixXd::Zero(static_cast<Eigen::Index>(number.size()),
                                            static_cast<Eigen::Index>(n_levels));
  for (std::size_t i = 0; i < number.size(); ++i) {
    if (number[i] >= 0) x(static_cast<Eigen::Index>(i), number[i]) = 1.0;
  }
  return x;
}

class Predictor {
public:
  Predictor(const store::CohortReader& reader, const Eigen::MatrixXd& measures,
            const config::Config& config,
            const std::map<std::string, std::string>& circuit_of_measure, const Context& context)
      : config_(config), context_(context), people_(reader.participants()),
        header_(reader.header()), runs_(reader.runs()) {
    inputs_.rows.x = measures;
    inputs_.rows.names = header_.measure;
    inputs_.rows.is_reference = control_rows(people_, config);
    inputs_.feature_group = circuit_of_measure;
    inputs_.person = levels_of(people_.participant_id).number;
    if (const Text* site = column_of(people_, config.cohort.site_column)) {
      const auto [levels, number] = levels_of(*site);
      if (levels.size() > 1) inputs_.site = number;
    }
    if (const Text* study = column_of(people_, config.trial.study)) {
      inputs_.study = levels_of(*study).number;
    }
    mean_fd_ = mean_fd_of_rows(reader);
    const ChainTable table = chain_table(reader, inputs_.rows.x, config);
    PredictionSteps steps = prediction_steps(table, reader, config, inputs_.rows);
    inputs_.steps = std::move(steps.steps);
    choice_ = std::move(steps.choice);
  }

  void predict(const std::string& name, store::CohortResults& results) {
    const std::string analysis = "predictions/" + name;
    const Target target = target_of(people_, name);
    if (!target.problem.empty()) {
      results.not_done.push_back({analysis, target.problem});
      return;
    }
    penalised_regression::Inputs inputs = inputs_;
    inputs.target = target.y;
    inputs.baselines = baselines(name);
    inputs.groupings = groupings();
    if (const std::string problem = not_binary(target); !problem.empty()) {
      results.not_done.push_back({analysis, problem});
      return;
    }
    penalised_regression::Outputs out;
    try {
      out = penalised_regression::run(inputs, config_.prediction, context_);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::input) throw;
      out.not_done = error.what(); // a step that a fold has too few people for
    }
    if (!out.not_done.empty()) {
      results.not_done.push_back({analysis, out.not_done});
      return;
    }
    results.predictions.push_back(record(name, target, inputs, out));
    auto frozen =
        freeze(name, results.predictions.back().class_name, inputs, out, choice_, config_);
    if (!frozen) {
      results.not_done.push_back(
          {"model/" + name, "a model on other columns than measures is not kept for new people"});
      return;
    }
    frozen->prediction.model_card = results.predictions.back().model_card;
    if (frozen->prediction.has_steps) {
      const std::string path = steps_path(results.frozen.size());
      for (auto& record : records_of(frozen->chain, inputs.rows.names, path)) {
        results.learned.push_back(std::move(record));
      }
    }
    results.frozen.push_back(std::move(frozen->prediction));
  }

private:
  // The configuration holds for all targets; one that is not binary is left out, not an error.
  [[nodiscard]] std::string not_binary(const Target& target) const {
    if (config_.prediction.target_kind != "binary") return "";
    std::set<double> values;
    for (const double y : target.y) {
      if (!std::isnan(y)) values.insert(y);
    }
    if (values.size() <= 2) return "";
    return "found " + std::to_string(values.size()) +
           " distinct values, expected two for prediction.target_kind = binary";
  }

  // What imaging has to beat; the target itself is never among it.
  [[nodiscard]] std::vector<penalised_regression::Baseline>
  baselines(const std::string& target) const {
    const auto predictor = [&](const std::string& name) {
      return name == target ? nullptr : column_of(people_, name);
    };
    std::vector<penalised_regression::Baseline> list;
    const Text* age = predictor(config_.cohort.age_column);
    const Text* sex = predictor(config_.cohort.sex_column);
    if (age != nullptr || sex != nullptr) {
      const Levels levels = sex == nullptr ? Levels{} : levels_of(*sex);
      const auto n_levels = static_cast<Eigen::Index>(levels.names.size());
      Eigen::MatrixXd x =
          Eigen::MatrixXd::Zero(mean_fd_.rows(), n_levels + (age != nullptr ? 1 : 0));
      if (sex != nullptr) x.leftCols(n_levels) = one_hot(levels.number, levels.names.size());
      if (age != nullptr) {
        const auto years = store::as_numbers(*age);
        for (Eigen::Index i = 0; i < x.rows(); ++i) {
          x(i, n_levels) = years[static_cast<std::size_t>(i)];
        }
      }
      const std::string name = age == nullptr ? "sex" : sex == nullptr ? "age" : "age_sex";
      list.push_back({name, std::move(x)});
    }
    const Text* site = predictor(config_.cohort.site_column);
    if (site != nullptr && !inputs_.site.empty()) {
      const auto levels = levels_of(*site);
      list.push_back({"site", one_hot(levels.number, levels.names.size())});
    }
    list.push_back({"mean_fd", mean_fd_});
    return list;
  }

  [[nodiscard]] store::PredictionRecord record(const std::string& name, const Target& target,
                                               const penalised_regression::Inputs& inputs,
                                               const penalised_regression::Outputs& out) const {
    store::PredictionRecord r;
    r.target = name;
    r.model = config_.prediction.model;
    r.cv = config_.prediction.cv;
    const auto list = [](const Eigen::VectorXd& v) {
      return std::vector<double>(v.data(), v.data() + v.size());
    };
    r.y = list(out.y);
    if (out.binary) {
      for (const double value : out.class_value) {
        const auto at = static_cast<std::size_t>(value);
        r.class_name.push_back(target.class_name.empty() ? config::Json(value).dump()
                                                         : target.class_name.at(at));
      }
      r.probability.resize(out.prediction.size(), 2);
      r.probability.col(0) = 1.0 - out.prediction.array();
      r.probability.col(1) = out.prediction;
      r.set = out.set.matrix();
    } else {
      r.prediction = list(out.prediction);
      r.lower = list(out.lower);
      r.upper = list(out.upper);
    }
    r.interval_level = 1.0 - config_.prediction.alpha_interval;
    r.abstain = out.abstain;
    r.abstain_reason = out.abstain_reason;
    r.fold = out.fold;
    r.contribution_name = out.contribution_names;
    r.contribution = out.contribution;
    r.coefficient_name = out.feature_names;
    r.coefficient = list(out.coefficient);
    for (std::size_t m = 0; m < out.metrics.size(); ++m) {
      const auto& metric = out.metrics[m];
      r.metrics.push_back(
          {metric.name, metric.value, metric.lower, metric.upper, m == 0 ? out.p_value : kNaN});
      for (std::size_t b = 0; b < metric.baseline.size(); ++b) {
        r.metrics.push_back({metric.name + "_baseline_" + out.baseline_names[b], metric.baseline[b],
                             kNaN, kNaN, kNaN});
      }
    }
    add_summaries(out, r);
    r.null_metric = out.metrics.empty() ? "" : out.metrics.front().name;
    r.permutation_null = out.null;
    r.model_card = model_card({name, inputs, out, people_, header_, runs_, config_});
    return r;
  }

  // What has no column of its own stands among the metrics under a longer name.
  static void add_summaries(const penalised_regression::Outputs& out, store::PredictionRecord& r) {
    const std::string primary = out.metrics.empty() ? "" : out.metrics.front().name;
    const auto add = [&r](const std::string& name, double value, double lower, double upper,
                          double p) {
      r.metrics.push_back({name, value, lower, upper, p});
    };
    add("calibration_slope", out.calibration.slope, kNaN, kNaN, kNaN);
    add("calibration_intercept", out.calibration.intercept, kNaN, kNaN, kNaN);
    if (!out.increment.over.empty()) {
      add(primary + "_increment", out.increment.difference, kNaN, kNaN, out.increment.p_value);
    }
    for (const auto& group : out.groups) {
      add(primary + "_" + group.grouping + "_" + group.level, group.metric.value,
          group.metric.lower, group.metric.upper, kNaN);
    }
    if (out.pooled_sites.n_groups > 1) {
      add(primary + "_pooled_over_sites", out.pooled_sites.value, out.pooled_sites.lower,
          out.pooled_sites.upper, kNaN);
      add(primary + "_heterogeneity_i2", out.pooled_sites.i2, kNaN, kNaN, out.pooled_sites.q_p);
    }
  }

  // Sites, sexes, and ages up to and above the median.
  [[nodiscard]] std::vector<penalised_regression::Grouping> groupings() const {
    std::vector<penalised_regression::Grouping> list;
    for (const auto& [name, column] : {std::pair{"site", config_.cohort.site_column},
                                       std::pair{"sex", config_.cohort.sex_column}}) {
      const Text* values = column_of(people_, column);
      if (values == nullptr) continue;
      auto [levels, number] = levels_of(*values);
      if (levels.size() > 1) list.push_back({name, std::move(levels), std::move(number)});
    }
    if (const Text* age = column_of(people_, config_.cohort.age_column)) {
      const std::vector<double> years = store::as_numbers(*age);
      const double middle = median(years);
      penalised_regression::Grouping halves{"age", {"to_median", "above_median"}, {}};
      for (const double y : years) halves.level.push_back(std::isnan(y) ? -1 : y > middle ? 1 : 0);
      list.push_back(std::move(halves));
    }
    return list;
  }

  const config::Config& config_;
  const Context& context_;
  store::ParticipantsTable people_;
  store::CohortHeader header_;
  store::RunTable runs_;
  penalised_regression::Inputs inputs_;
  ChainChoice choice_;
  Eigen::MatrixXd mean_fd_; // N x 1, over the runs of a row; NaN without one
};

} // namespace

std::vector<std::uint8_t> control_rows(const store::ParticipantsTable& people,
                                       const config::Config& config) {
  return store::healthy_rows(people, config.input.group_column, config.input.control_values);
}

Eigen::MatrixXd healthy_reference(const store::ParticipantsTable& people,
                                  const Eigen::MatrixXd& measures, const config::Config& config) {
  const std::vector<std::uint8_t> controls = control_rows(people, config);
  std::map<std::string, Eigen::Index> position; // rows are sorted by participant, then session
  Eigen::MatrixXd reference = Eigen::MatrixXd::Constant(measures.rows(), measures.cols(), kNaN);
  for (std::size_t row = 0; row < controls.size(); ++row) {
    if (controls[row] == 0) continue;
    const auto next = static_cast<Eigen::Index>(position.size());
    const Eigen::Index at = position.try_emplace(people.participant_id[row], next).first->second;
    for (Eigen::Index m = 0; m < measures.cols(); ++m) {
      double& kept = reference(at, m);
      if (std::isnan(kept)) kept = measures(static_cast<Eigen::Index>(row), m);
    }
  }
  return reference.topRows(static_cast<Eigen::Index>(position.size()));
}

std::map<std::string, std::string> circuit_of_measures(const taxonomy::Taxonomy& taxonomy) {
  std::map<std::string, std::string> score_of_feature, out;
  for (const taxonomy::Score& score : taxonomy.scores) {
    for (const std::string& feature : score.members) score_of_feature.emplace(feature, score.name);
  }
  for (const taxonomy::Feature& feature : taxonomy.features) {
    const auto score = score_of_feature.find(feature.name);
    if (score == score_of_feature.end()) continue;
    for (const std::string& measure : feature.members) out.emplace(measure, score->second);
  }
  return out;
}

void add_predictions(const store::CohortReader& reader, const Eigen::MatrixXd& measures,
                     const config::Config& config,
                     const std::map<std::string, std::string>& circuit_of_measure,
                     store::CohortResults& results, const Context& context) {
  if (config.cohort.targets.empty()) {
    results.not_done.push_back({"predictions", "no target column is named (cohort.targets)"});
    return;
  }
  Predictor predictor(reader, measures, config, circuit_of_measure, context);
  for (const std::string& target : config.cohort.targets) predictor.predict(target, results);
}

} // namespace boldmill::graph
