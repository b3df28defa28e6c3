#include "pipeline/store/reasons.hpp"

#include <map>

#include "pipeline/store/read.hpp"

namespace boldmill::store {

void write_reasons(const Group& group, const std::string& prefix, const Dimensions& dimensions,
                   const Reasons& reasons) {
  std::map<std::string, std::int32_t> code{{"", 0}};
  for (const auto& row : reasons) {
    for (const std::string& text : row) code.emplace(clean_utf8(text), 0);
  }
  std::vector<std::string> texts;
  for (auto& [text, number] : code) {
    number = static_cast<std::int32_t>(texts.size());
    texts.push_back(text);
  }
  const std::size_t n_columns = dimensions[1].size;
  std::vector<std::int32_t> cells(dimensions[0].size * n_columns, 0);
  for (std::size_t r = 0; r < reasons.size(); ++r) {
    for (std::size_t c = 0; c < reasons[r].size(); ++c) {
      cells[r * n_columns + c] = code.at(clean_utf8(reasons[r][c]));
    }
  }
  const std::string dimension = prefix + "reason";
  const Dimension reason = group.dimension(dimension, texts.size());
  group.write(dimension + "_text", {reason}, texts);
  group.write(prefix + "missing_reason", dimensions, Values(cells),
              {{"long_name", "position along dimension " + dimension + ", 0 when present"}});
}

Reasons read_reasons(const File& file, const std::string& group, const std::string& prefix,
                     std::size_t rows, std::size_t columns) {
  const std::string path = group + "/" + prefix + "missing_reason";
  if (!exists(file, path)) return {};
  const std::vector<std::string> texts = read_strings(file, group + "/" + prefix + "reason_text");
  const Eigen::MatrixXi code = read_int_matrix(file, path);
  expect_shape(file, path, code.rows(), code.cols(), rows, columns);
  Reasons out(static_cast<std::size_t>(code.rows()),
              std::vector<std::string>(static_cast<std::size_t>(code.cols())));
  for (Eigen::Index r = 0; r < code.rows(); ++r) {
    for (Eigen::Index c = 0; c < code.cols(); ++c) {
      const auto index = static_cast<std::size_t>(code(r, c));
      if (index >= texts.size()) file.fail(path, "code without a text");
      out[static_cast<std::size_t>(r)][static_cast<std::size_t>(c)] = texts[index];
    }
  }
  return out;
}

} // namespace boldmill::store
