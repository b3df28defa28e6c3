// The predictions of the cohort page: metrics beside baselines, curves, subgroups, null, model
// card.
#include <algorithm>
#include <cmath>

#include "pipeline/report/pages.hpp"
#include "pipeline/report/prediction_parts.hpp"

namespace boldmill::report {
namespace {

std::string interval(double lower, double upper) {
  return std::isnan(lower) ? "" : number(lower, "%.3f") + " to " + number(upper, "%.3f");
}

std::string text_of(const Json& value) {
  if (value.is_null()) return "";
  if (value.is_number_float()) return number(value.get<double>(), "%.4g");
  return value.is_string() ? value.get<std::string>()
                           : value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Names of the baselines that the card has values of.
std::vector<std::string> baselines(const Json& metrics) {
  std::vector<std::string> out;
  for (const Json& metric : metrics) {
    if (!metric.is_object()) continue;
    for (const auto& [key, unused] : metric.items()) {
      if (key.starts_with("baseline_") && std::find(out.begin(), out.end(), key) == out.end())
        out.push_back(key);
    }
  }
  return out;
}

Table metrics_table(const store::PredictionRecord& record, const Json& card) {
  const Json listed = card.value("/performance/metrics"_json_pointer, Json::array());
  const auto others = baselines(listed);
  std::vector<Column> columns{{"metric", ""},
                              {"value", "out of fold"},
                              {"95 % interval", ""},
                              {"p", "share of permuted outcomes that do as well"}};
  for (const auto& name : others) {
    const std::string own = plain_words(name.substr(9));
    columns.push_back({own == "joint" ? "from all of these together" : "from " + own + " alone",
                       "the same metric predicted without imaging"});
  }
  Table table("Performance, beside what simpler predictors reach", columns);
  for (const auto& m : record.metrics) {
    if (!others.empty() && m.name.find("_baseline_") != m.name.npos) continue; // a column has it
    std::vector<Cell> cells{plain_words(m.name), number(m.value, "%.3f"),
                            interval(m.lower, m.upper), number(m.p_permutation, "%.3f")};
    const auto own = std::find_if(listed.begin(), listed.end(), [&m](const Json& one) {
      return one.is_object() && one.value("name", "") == m.name;
    });
    for (const auto& name : others)
      cells.push_back(own == listed.end() ? "" : text_of(own->value(name, Json())));
    table.row(cells);
  }
  return table;
}

void add_curves(Page& page, const store::PredictionRecord& record) {
  Json data{{"classes", record.class_name},
            {"roc", Json::array()},
            {"calibration", Json::array()},
            {"decision", Json::array()}};
  for (const auto& [fpr, tpr] : roc(record))
    data["roc"].push_back({short_number(fpr), short_number(tpr)});
  Table bins("Calibration",
             {{"predicted", ""}, {"observed", ""}, {"95 % interval", "Wilson"}, {"people", ""}});
  for (const auto& bin : calibration(record)) {
    data["calibration"].push_back({{"p", short_number(bin.predicted)},
                                   {"o", short_number(bin.observed)},
                                   {"l", short_number(bin.lower)},
                                   {"u", short_number(bin.upper)},
                                   {"n", bin.n}});
    bins.row({number(bin.predicted), number(bin.observed), interval(bin.lower, bin.upper),
              std::to_string(bin.n)});
  }
  for (const auto& point : decision_curve(record)) {
    data["decision"].push_back({{"t", short_number(point.threshold)},
                                {"m", short_number(point.model)},
                                {"e", short_number(point.everybody)}});
  }
  page.chart("classes",
             "Out-of-fold probability of \"" + record.class_name[1] +
                 "\". ROC: by chance, the diagonal. Calibration: as good as it gets, the diagonal. "
                 "Decision curve: "
                 "net benefit of acting on the model above a threshold, beside acting on everybody "
                 "or nobody.",
             data, &bins);
}

// " (1 for want of measures, 2 outside the training people)"; "" when the file does not say.
std::string abstentions(const store::PredictionRecord& record) {
  std::map<std::string, std::size_t> people;
  for (const std::string& why : record.abstain_reason) {
    if (why.empty()) continue;
    ++people[why.starts_with("outside")                 ? "outside the training people"
             : why.find("measure") != std::string::npos ? "for want of measures"
                                                        : "without a prediction"];
  }
  std::string out;
  for (const auto& [what, n] : people) {
    out += (out.empty() ? " (" : ", ") + std::to_string(n) + " " + what;
  }
  return out.empty() ? "" : out + ")";
}

void add_scatter(Page& page, const Stored& stored, const store::PredictionRecord& record) {
  Json people = Json::array();
  for (const std::size_t row : evaluated_rows(record)) {
    people.push_back({{"id", stored.session(row)},
                      {"href", page_href(stored.page(row)) + "#predictions"},
                      {"y", short_number(record.y[row])},
                      {"p", short_number(record.prediction[row])},
                      {"abstain", row < record.abstain.size() && record.abstain[row] != 0},
                      {"why", why_abstained(record, row)}});
  }
  page.chart("scatter",
             "Out-of-fold prediction against the outcome; on the dashed line they are equal. "
             "Hollow: the model abstains, not to be used.",
             {{"target", record.target}, {"people", people}});
}

void add_null(Page& page, const store::PredictionRecord& record) {
  if (record.permutation_null.empty()) {
    page.absent("No permutation null is stored.");
    return;
  }
  double own = NAN;
  for (const auto& m : record.metrics) {
    if (m.name == record.null_metric) own = m.value;
  }
  const Spread s = spread_of(record.permutation_null);
  Table table("Permutation null of " + record.null_metric, {{"observed", ""},
                                                            {"permutations", ""},
                                                            {"median", ""},
                                                            {"quartile 1", ""},
                                                            {"quartile 3", ""}});
  table.row({number(own, "%.3f"), std::to_string(s.n), number(s.median, "%.3f"),
             number(s.q1, "%.3f"), number(s.q3, "%.3f")});
  page.chart("null", record.null_metric + " with permuted outcomes (bars) and as observed (line).",
             {{"metric", record.null_metric},
              {"observed", short_number(own)},
              {"null", short_numbers(record.permutation_null)}},
             &table);
}

void add_subgroups(Page& page, const Json& card) {
  const Json groups = card.value("subgroups", Json::array());
  if (!groups.is_array() || groups.empty()) {
    page.absent(
        "No subgroup is large enough to be shown (10 people of a site, a sex or an age half).");
    return;
  }
  std::vector<std::string> keys;
  for (const Json& group : groups) {
    for (const auto& [key, unused] : group.items()) {
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
    }
  }
  std::vector<Column> columns;
  for (const auto& key : keys) columns.push_back({key, ""});
  Table table("Subgroups; differences between them are not tested", columns);
  for (const Json& group : groups) {
    std::vector<Cell> cells;
    for (const auto& key : keys) cells.push_back(text_of(group.value(key, Json())));
    table.row(cells);
  }
  page.table(table);
}

// "data / people_used", in the order of the card.
void add_items(Table& table, const Json& json, const std::string& path) {
  if (json.is_object() || (json.is_array() && !json.empty() && json.front().is_object())) {
    std::size_t i = 0;
    for (const auto& item : json.items()) {
      const std::string name = json.is_array() ? std::to_string(++i) : item.key();
      add_items(table, item.value(), path.empty() ? name : path + " / " + name);
    }
    return;
  }
  std::string text = json.is_null() ? "not known" : text_of(json);
  if (json.is_array()) {
    text.clear();
    for (const Json& one : json) text += (text.empty() ? "" : "; ") + text_of(one);
  }
  table.row({path, text});
}

} // namespace

void add_cohort_predictions(Page& page, const Stored& stored) {
  page.begin_section("predictions", "Predictions",
                     "Cross-validated: every number comes from people the model had not seen. A "
                     "model is only worth its name "
                     "when it beats its baselines and its permutation null.");
  if (stored.predictions.empty()) {
    page.absent("No outcome was predicted: columns are named by `--set cohort.targets=COLUMN`, and "
                "it takes 20 people.");
  }
  for (std::size_t i = 0; i < stored.predictions.size(); ++i) {
    const auto& record = stored.predictions[i];
    page.heading(record.target + " (" + record.model + ", " + record.cv + ")");
    const auto abstained = std::count(record.abstain.begin(), record.abstain.end(), 1);
    page.paragraph(std::to_string(evaluated_rows(record).size()) + " of " +
                   std::to_string(record.y.size()) + " participant-sessions evaluated; " +
                   (abstained == 0
                        ? "the model abstains for nobody."
                        : "for " + std::to_string(abstained) +
                              " the model abstains, and their numbers are not to be used" +
                              abstentions(record) + "."));
    page.table(metrics_table(record, stored.cards[i]));
    if (is_binary(record)) {
      add_curves(page, record);
    } else if (record.class_name.empty() && !record.prediction.empty()) {
      add_scatter(page, stored, record);
    }
    add_null(page, record);
    add_subgroups(page, stored.cards[i]);
    Table card("Model card of " + record.target, {{"item", ""}, {"value", ""}});
    add_items(card, stored.cards[i], "");
    if (card.n_rows() > 0) page.folded("Model card (TRIPOD+AI)", card);
  }
  page.end_section();
}

} // namespace boldmill::report
