#include "pipeline/graph/review.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "pipeline/bids/text.hpp"
#include "pipeline/bids/tsv.hpp"
#include "stages/cohort/kernels/agreement.hpp"
#include "stages/core/joined.hpp"

namespace boldmill::graph {
namespace {

constexpr const char* kConsensus = "consensus";
constexpr const char* kInclude = "include";
constexpr const char* kExclude = "exclude";

std::string with_prefix(const std::string& id, const std::string& prefix) {
  return id.empty() || id.starts_with(prefix) ? id : prefix + id;
}

bool is_date(const std::string& text) {
  if (text.size() != 10) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 4 || i == 7;
    if (dash ? text[i] != '-' : text[i] < '0' || text[i] > '9') return false;
  }
  const int month = std::stoi(text.substr(5, 2));
  const int day = std::stoi(text.substr(8, 2));
  return month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

// The names end up in a list with brackets, see decision_of.
bool is_rater(const std::string& text) {
  return !text.empty() && text.find_first_of(",()") == std::string::npos;
}

class Reader {
public:
  explicit Reader(const bids::Table& table) : table_(table) {
    for (const char* name : {"decision", "rater", "date"}) (void)table.require(name);
    if (!table.has("run_id")) (void)table.require("participant_id");
  }

  Review read() {
    Review review;
    for (std::size_t row = 0; row < table_.n_rows(); ++row) {
      ReviewRow one;
      const std::string problem = take(row, one);
      if (problem.empty()) {
        review.rows.push_back(one);
      } else {
        problems_ += "\n  line " + std::to_string(table_.line(row)) + ": " + problem;
      }
    }
    if (!problems_.empty()) throw Error(ErrorKind::usage, table_.source() + ":" + problems_);
    return review;
  }

private:
  [[nodiscard]] std::string cell(std::size_t row, const char* name) const {
    const auto column = table_.find(name);
    if (!column) return "";
    const std::string_view text = table_.cell(row, *column);
    return text == "n/a" ? "" : std::string(text);
  }

  std::string take(std::size_t row, ReviewRow& one) {
    one.run_id = cell(row, "run_id");
    one.session = with_prefix(cell(row, "participant_id"), "sub-");
    const std::string session = with_prefix(cell(row, "session_id"), "ses-");
    if (!one.session.empty() && !session.empty()) one.session += "_" + session;
    one.rater = cell(row, "rater");
    one.date = cell(row, "date");
    one.reason = cell(row, "reason");
    const std::string decision = cell(row, "decision");
    const auto found = [](const std::string& text) {
      return "\"" + bids::display(text, 60) + "\"";
    };
    if (one.run_id.empty() && one.session.empty()) return "names neither a run nor a participant";
    if (decision != kInclude && decision != kExclude) {
      return "decision: found " + found(decision) + ", expected include or exclude";
    }
    if (!is_rater(one.rater)) {
      return "rater: found " + found(one.rater) + ", expected a name without commas and brackets";
    }
    if (!is_date(one.date)) return "date: found " + found(one.date) + ", expected YYYY-MM-DD";
    one.exclude = decision == kExclude;
    if (one.exclude && one.reason.empty()) return "reason: missing, expected why it is excluded";
    const auto key = one.run_id + "\t" + one.session + "\t" + one.rater + "\t" + one.date;
    const auto [known, fresh] = seen_.try_emplace(key, one.exclude);
    if (!fresh && known->second != one.exclude) {
      return "rater " + found(one.rater) + " decides twice on " + one.date + ", and differently";
    }
    return "";
  }

  const bids::Table& table_;
  std::map<std::string, bool> seen_;
  std::string problems_;
};

// Each rater's last word on a run: a row for the run goes before one for the session.
std::map<std::string, const ReviewRow*> last_words(const Review& review, const std::string& run_id,
                                                   const std::string& session) {
  std::map<std::string, const ReviewRow*> out;
  const std::string participant = session.substr(0, session.find("_ses-"));
  for (const ReviewRow& row : review.rows) {
    const bool of_run = row.run_id == run_id;
    const bool of_session =
        row.run_id.empty() && (row.session == session || row.session == participant);
    if (!of_run && !of_session) continue;
    const ReviewRow*& last = out[row.rater];
    const bool closer = last != nullptr && last->run_id.empty() && of_run;
    const bool further = last != nullptr && !last->run_id.empty() && !of_run;
    if (last == nullptr || closer || (!further && row.date >= last->date)) last = &row;
  }
  return out;
}

// "ana, ben (include)" of a run that is excluded.
std::map<std::string, bool> exclusions_by_rater(const store::RunRecord& run) {
  std::map<std::string, bool> out;
  for (std::size_t begin = 0; begin < run.qc_rater.size();) {
    const std::size_t end = std::min(run.qc_rater.find(", ", begin), run.qc_rater.size());
    std::string name = run.qc_rater.substr(begin, end - begin);
    std::string decision = run.qc_decision;
    if (const std::size_t bracket = name.find(" ("); bracket != std::string::npos) {
      decision = name.substr(bracket + 2, name.size() - bracket - 3);
      name.resize(bracket);
    }
    out[name] = decision == kExclude;
    begin = end + 2;
  }
  return out;
}

} // namespace

Review read_review(const std::filesystem::path& path) {
  const bids::Table table = bids::read_tsv(path);
  return Reader(table).read();
}

ReviewDecision decision_of(const Review& review, const std::string& run_id,
                           const std::string& session) {
  const auto words = last_words(review, run_id, session);
  if (words.empty()) return {};
  bool exclude = std::any_of(words.begin(), words.end(),
                             [](const auto& word) { return word.second->exclude; });
  const auto consensus = words.find(kConsensus);
  if (consensus != words.end()) exclude = consensus->second->exclude;
  ReviewDecision out{exclude ? kExclude : kInclude, "", ""};
  for (const auto& [rater, row] : words) {
    out.raters += (out.raters.empty() ? "" : ", ") + rater;
    if (row->exclude != exclude) out.raters += row->exclude ? " (exclude)" : " (include)";
    if (row->exclude == exclude && out.reason.empty()) out.reason = row->reason;
  }
  return out;
}

std::vector<std::string> unmatched(const Review& review, const bids::BidsIndex& index) {
  std::set<std::string> known;
  for (const auto& session : index.sessions) {
    known.insert({session.participant_id, session.id});
    for (const auto& run : session.runs) known.insert(run.run_id);
  }
  std::vector<std::string> out;
  for (const ReviewRow& row : review.rows) {
    const std::string& named = row.run_id.empty() ? row.session : row.run_id;
    if (!known.contains(named)) {
      out.push_back("review: " + bids::display(named) + " is not among the runs selected");
    }
  }
  return out;
}

store::TableRecord agreement_table(const std::vector<store::RunRecord>& runs) {
  std::vector<std::map<std::string, bool>> decisions;
  std::set<std::string> names;
  for (const store::RunRecord& run : runs) {
    decisions.push_back(exclusions_by_rater(run));
    for (const auto& [name, unused] : decisions.back()) names.insert(name);
  }
  names.erase(kConsensus);
  store::TableRecord table{"review", "rater_pair", "agreement of raters over runs", "", {}};
  if (names.size() < 2) return table;
  std::vector<std::string> first, second;
  std::vector<std::vector<double>> numbers(6);
  for (auto a = names.begin(); a != names.end(); ++a) {
    for (auto b = std::next(a); b != names.end(); ++b) {
      std::vector<int> x, y;
      for (const auto& own : decisions) {
        const auto of = [&own](const std::string& name) {
          const auto found = own.find(name);
          return found == own.end() ? -1 : found->second ? 1 : 0;
        };
        x.push_back(of(*a));
        y.push_back(of(*b));
      }
      const auto kappa = cohort::cohens_kappa(x, y, 0.95);
      first.push_back(*a);
      second.push_back(*b);
      const double values[] = {
          static_cast<double>(kappa.n), kappa.agreement,   kappa.kappa, kappa.se,
          kappa.bounds.lower,           kappa.bounds.upper};
      for (std::size_t i = 0; i < 6; ++i) numbers[i].push_back(values[i]);
    }
  }
  table.columns = {{"rater_a", "a person who looked at runs", true, first, {}},
                   {"rater_b", "another one", true, second, {}},
                   {"n_runs", "runs both decided on", false, {}, numbers[0]},
                   {"agreement", "share of them with the same decision", false, {}, numbers[1]},
                   {"kappa", "Cohen's kappa", false, {}, numbers[2]},
                   {"kappa_se", "its standard error", false, {}, numbers[3]},
                   {"kappa_lower", "95 % interval", false, {}, numbers[4]},
                   {"kappa_upper", "95 % interval", false, {}, numbers[5]}};
  return table;
}

} // namespace boldmill::graph
