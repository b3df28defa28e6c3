#include "pipeline/report/prediction_parts.hpp"

#include <algorithm>
#include <cmath>

namespace boldmill::report {
namespace {

constexpr std::size_t kBins = 10;
constexpr std::size_t kLeastOfABin = 5;

// Prediction and outcome (1: second class), in ascending order of the prediction.
std::vector<std::pair<double, bool>> ordered(const store::PredictionRecord& record) {
  std::vector<std::pair<double, bool>> out;
  for (const std::size_t row : evaluated_rows(record)) {
    out.emplace_back(predicted(record, row), record.y[row] > 0.5);
  }
  std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
    return a.first < b.first;
  }); // never by outcome
  return out;
}

} // namespace

bool is_binary(const store::PredictionRecord& record) { return record.class_name.size() == 2; }

std::string why_abstained(const store::PredictionRecord& record, std::size_t row) {
  if (row >= record.abstain.size() || record.abstain[row] == 0) return "";
  return row < record.abstain_reason.size() ? record.abstain_reason[row] : "the model abstains";
}

double predicted(const store::PredictionRecord& record, std::size_t row) {
  const auto r = static_cast<Eigen::Index>(row);
  if (is_binary(record)) return r < record.probability.rows() ? record.probability(r, 1) : NAN;
  return row < record.prediction.size() ? record.prediction[row] : NAN;
}

std::vector<std::size_t> evaluated_rows(const store::PredictionRecord& record) {
  std::vector<std::size_t> out;
  for (std::size_t row = 0; row < record.y.size(); ++row) {
    const bool folded =
        record.fold.size() == 0 || record.fold(0, static_cast<Eigen::Index>(row)) >= 0;
    if (folded && std::isfinite(record.y[row]) && std::isfinite(predicted(record, row)))
      out.push_back(row);
  }
  return out;
}

std::vector<std::pair<double, double>> roc(const store::PredictionRecord& record) {
  auto rows = ordered(record);
  std::reverse(rows.begin(), rows.end());
  const auto positives = static_cast<double>(
      std::count_if(rows.begin(), rows.end(), [](const auto& r) { return r.second; }));
  const double negatives = static_cast<double>(rows.size()) - positives;
  std::vector<std::pair<double, double>> out;
  if (positives == 0.0 || negatives == 0.0) return out;
  out.emplace_back(0.0, 0.0);
  double hits = 0.0, alarms = 0.0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    (rows[i].second ? hits : alarms) += 1.0;
    const bool tied = i + 1 < rows.size() && rows[i + 1].first == rows[i].first;
    if (!tied) out.emplace_back(alarms / negatives, hits / positives);
  }
  return out;
}

std::vector<CalibrationBin> calibration(const store::PredictionRecord& record) {
  const auto rows = ordered(record);
  const std::size_t n_bins = std::min(kBins, rows.size() / kLeastOfABin);
  std::vector<CalibrationBin> out;
  for (std::size_t b = 0; b < n_bins; ++b) {
    const std::size_t begin = b * rows.size() / n_bins, end = (b + 1) * rows.size() / n_bins;
    CalibrationBin bin;
    for (std::size_t i = begin; i < end; ++i) {
      bin.predicted += rows[i].first;
      bin.observed += rows[i].second ? 1.0 : 0.0;
    }
    bin.n = end - begin;
    const auto n = static_cast<double>(bin.n);
    bin.predicted /= n;
    bin.observed /= n;
    constexpr double z = 1.959964;
    const double centre = (bin.observed + z * z / (2.0 * n)) / (1.0 + z * z / n);
    const double half = z / (1.0 + z * z / n) *
                        std::sqrt(bin.observed * (1.0 - bin.observed) / n + z * z / (4.0 * n * n));
    bin.lower = centre - half;
    bin.upper = centre + half;
    out.push_back(bin);
  }
  return out;
}

std::vector<NetBenefit> decision_curve(const store::PredictionRecord& record) {
  const auto rows = ordered(record);
  std::vector<NetBenefit> out;
  if (rows.empty()) return out;
  const auto n = static_cast<double>(rows.size());
  const auto positives = static_cast<double>(
      std::count_if(rows.begin(), rows.end(), [](const auto& r) { return r.second; }));
  for (int step = 1; step < 20; ++step) {
    const double threshold = 0.05 * step, odds = threshold / (1.0 - threshold);
    double hits = 0.0, alarms = 0.0;
    for (const auto& [probability, positive] : rows) {
      if (probability >= threshold) (positive ? hits : alarms) += 1.0;
    }
    out.push_back(
        {threshold, (hits - alarms * odds) / n, (positives - (n - positives) * odds) / n});
  }
  return out;
}

} // namespace boldmill::report
