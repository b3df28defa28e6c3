// /regional: measures of regions, writing and reading.
#include <algorithm>
#include <limits>
#include <map>

#include "pipeline/store/cohort_reader_state.hpp"
#include "pipeline/store/layout.hpp"
#include "pipeline/store/read.hpp"

namespace boldmill::store {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

const RegionalRecord* find(const PersonRecord& person, const RegionalRecord& like) {
  for (const RegionalRecord& record : person.regional) {
    if (record.source == like.source && record.atlas == like.atlas && record.name == like.name) {
      return &record;
    }
  }
  return nullptr;
}

std::size_t n_regions_of(const CohortHeader& header, const std::string& atlas) {
  for (const AtlasRecord& candidate : header.atlases) {
    if (candidate.name == atlas) return candidate.label.size();
  }
  throw Error(ErrorKind::internal, "regional: atlas " + atlas + " is not in the header");
}

} // namespace

void write_regional(const Group& root, const Dimension& row, const CohortHeader& header,
                    std::span<const PersonRecord> people) {
  // Measures of a source and atlas, sorted, each with one record as an example.
  std::map<std::pair<std::string, std::string>, std::map<std::string, const RegionalRecord*>> all;
  for (const PersonRecord& person : people) {
    for (const RegionalRecord& record : person.regional) {
      all[{record.source, record.atlas}].emplace(record.name, &record);
    }
  }
  for (const auto& [key, measures] : all) {
    const std::size_t n_regions = n_regions_of(header, key.second);
    const Group group =
        root.open_or_create("regional").open_or_create(key.first).create(key.second);
    const Dimension region = group.dimension("region", n_regions);
    for (const auto& [name, example] : measures) {
      const std::size_t width = example->per_region ? n_regions : 1;
      std::vector<double> values(people.size() * width, kNaN);
      for (std::size_t p = 0; p < people.size(); ++p) {
        const RegionalRecord* record = find(people[p], *example);
        if (record == nullptr) continue;
        if (record->values.size() != width) {
          throw Error(ErrorKind::internal, "regional/" + name + ": found " +
                                               std::to_string(record->values.size()) +
                                               " values, expected " + std::to_string(width));
        }
        std::copy(record->values.begin(), record->values.end(),
                  values.begin() + static_cast<std::ptrdiff_t>(p * width));
      }
      group.write(name, example->per_region ? Dimensions{row, region} : Dimensions{row},
                  Values(values));
    }
  }
}

std::vector<RegionalTable> CohortReader::regional() const {
  const Hdf5Lock lock;
  const File& file = state_->file;
  std::vector<RegionalTable> tables;
  const std::string base = "/regional";
  if (!exists(file, base)) return tables;
  for (const std::string& source : subgroups(file, base)) {
    const std::string folder = base + "/" + source;
    for (const std::string& atlas : subgroups(file, folder)) {
      const std::string group = folder + "/" + atlas;
      for (const std::string& name : children(file, group)) {
        if (name == "region") continue; // the dimension
        const std::string path = group + "/" + name;
        RegionalTable table{original_name(file, folder),
                            original_name(file, group),
                            original_name(file, path),
                            true,
                            {}};
        table.per_region = shape_of(file, path).size() == 2;
        if (table.per_region) {
          table.values = read_matrix(file, path);
        } else {
          const std::vector<double> column = read_doubles(file, path);
          table.values = Eigen::Map<const Eigen::VectorXd>(
              column.data(), static_cast<Eigen::Index>(column.size()));
        }
        expect_rows(file, path, static_cast<std::size_t>(table.values.rows()), n_rows());
        tables.push_back(std::move(table));
      }
    }
  }
  return tables;
}

std::vector<QcFcRecord> CohortReader::qc_fc() const {
  const Hdf5Lock lock;
  const File& file = state_->file;
  std::vector<QcFcRecord> records;
  const std::string base = "/cohort/qc_fc";
  if (!exists(file, base)) return records;
  for (const std::string& source : subgroups(file, base)) {
    for (const std::string& atlas : subgroups(file, base + "/" + source)) {
      const std::string group = base + "/" + source + "/" + atlas;
      QcFcRecord record;
      record.source = original_name(file, base + "/" + source);
      record.atlas = original_name(file, group);
      record.kind = text_attribute(file, group, "kind");
      record.n_people = whole_attribute(file, group, "n_people");
      record.r = read_doubles(file, group + "/r");
      record.p = read_doubles(file, group + "/p");
      const auto names = read_strings(file, group + "/summary");
      const auto value = read_doubles(file, group + "/summary_value");
      const auto p = read_doubles(file, group + "/summary_p_permutation");
      for (std::size_t i = 0; i < names.size(); ++i) {
        record.summary.push_back({names[i], value.at(i), kNaN, kNaN, p.at(i)});
      }
      records.push_back(std::move(record));
    }
  }
  return records;
}

} // namespace boldmill::store
