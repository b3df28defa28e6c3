// What charts of a prediction show, from the stored rows. Internal.
#pragma once

#include "pipeline/report/page_source.hpp"

namespace boldmill::report {

[[nodiscard]] bool is_binary(const store::PredictionRecord& record);
// Why the model abstains for a row; "" when it does not, or when the file does not say.
[[nodiscard]] std::string why_abstained(const store::PredictionRecord& record, std::size_t row);
// Rows with an outcome and an out-of-fold prediction.
[[nodiscard]] std::vector<std::size_t> evaluated_rows(const store::PredictionRecord& record);
// Of the second class, or the number.
[[nodiscard]] double predicted(const store::PredictionRecord& record, std::size_t row);

// [false positive rate, true positive rate] at every threshold, from (0, 0) to (1, 1).
[[nodiscard]] std::vector<std::pair<double, double>> roc(const store::PredictionRecord& record);

struct CalibrationBin {
  double predicted = 0.0, observed = 0.0, lower = 0.0, upper = 0.0; // Wilson's 95 % interval
  std::size_t n = 0;
};
[[nodiscard]] std::vector<CalibrationBin> calibration(const store::PredictionRecord& record);

struct NetBenefit { // Vickers and Elkin 2006, doi:10.1177/0272989X06295361
  double threshold = 0.0, model = 0.0, everybody = 0.0;
};
[[nodiscard]] std::vector<NetBenefit> decision_curve(const store::PredictionRecord& record);

} // namespace boldmill::report
