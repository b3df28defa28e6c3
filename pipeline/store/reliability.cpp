#include "pipeline/store/reliability.hpp"

#include <cmath>

#include "pipeline/store/cohort_reader_state.hpp"
#include "pipeline/store/read.hpp"
#include "pipeline/store/reader.hpp"

namespace boldmill::store {

const std::vector<ReliabilityColumn>& reliability_columns() {
  static const std::vector<ReliabilityColumn> columns{
      {"n_people", "people with the measure"},
      {"variance", "between people, of the first row with the measure"},
      {"mean_squared_se", "mean square of the standard errors within a run"},
      {"within_run", "share of the variance that is not error within a run; an upper limit of "
                     "test-retest reliability"},
      {"within_run_lower", "95 % interval over people"},
      {"within_run_upper", "95 % interval over people"},
      {"within_run_reason", "why it or its interval is missing", true},
      {"half_correlation", "correlation over people of the halves of each run"},
      {"half_correlation_lower", "95 % interval over people"},
      {"half_correlation_upper", "95 % interval over people"},
      {"half_correlation_reason", "why it or its interval is missing", true},
      {"split_half", "of the whole run by Spearman and Brown's formula from half_correlation, 0 "
                     "where the halves do not correlate"},
      {"split_half_lower", "95 % interval over people"},
      {"split_half_upper", "95 % interval over people"},
      {"split_half_reason", "why it or its interval is missing, or why it is 0", true},
      {"icc", "ICC(1) of repeated sessions, or the one given in reliability.icc"},
      {"icc_lower", "95 % interval over people"},
      {"icc_upper", "95 % interval over people"},
      {"icc_reason", "why it or its interval is missing", true},
      {"session_sd", "error of one session"},
      {"session_error", "where session_sd comes from: repeats, given ICC, or not available", true},
  };
  return columns;
}

void write_reliability(const Group& root, const ReliabilityRecord& record,
                       const std::string& fitted_on) {
  const Group group = root.open_or_create("cohort").create("reliability");
  group.attribute("fitted_on", fitted_on);
  const Dimension measure = root.existing_dimension("measure");
  for (const ReliabilityColumn& column : reliability_columns()) {
    const Attributes attributes{{"long_name", column.what}};
    if (column.is_text) {
      group.write(column.name, {measure}, record.texts.at(column.name), attributes);
    } else {
      group.write(column.name, {measure}, Values(record.numbers.at(column.name)), attributes);
    }
  }
  group.write("reliable_change", {root.existing_dimension("row"), measure}, record.reliable_change,
              {{"long_name", "change since the first session over its standard error"}});
}

std::optional<ReliabilityRecord> CohortReader::reliability() const {
  const Hdf5Lock lock;
  const File& file = state_->file;
  const std::string base = "/cohort/reliability/";
  if (!exists(file, "/cohort") || !exists(file, "/cohort/reliability")) return std::nullopt;
  ReliabilityRecord out;
  const std::size_t n = state_->header.measure.size();
  for (const ReliabilityColumn& column : reliability_columns()) {
    const std::string path = base + column.name;
    const bool known = exists(file, path); // older files lack later columns
    if (column.is_text) {
      auto& own = out.texts[column.name];
      own = known ? read_strings(file, path) : std::vector<std::string>(n);
      expect_rows(file, path, own.size(), n);
    } else {
      auto& own = out.numbers[column.name];
      own = known ? read_doubles(file, path) : std::vector<double>(n, std::nan(""));
      expect_rows(file, path, own.size(), n);
    }
  }
  out.reliable_change = read_matrix(file, base + "reliable_change");
  return out;
}

} // namespace boldmill::store
