#include "pipeline/store/harmonization.hpp"

#include "pipeline/store/netcdf.hpp"
#include "pipeline/store/numbers.hpp"
#include "pipeline/store/read.hpp"
#include "pipeline/store/seal.hpp"
#include "pipeline/store/self_contained.hpp"

namespace boldmill::store {
namespace {

constexpr const char* kFormat = "boldmill_harmonization";
constexpr std::int32_t kVersion = 1;

std::vector<double> to_vector(const Eigen::VectorXd& values) {
  return {values.begin(), values.end()};
}

void write_content(const File& file, const HarmonizationRecord& record) {
  const Group root = Group::root(file);
  root.attribute("format", std::string(kFormat));
  root.attribute("format_version", kVersion);
  root.attribute("created_by", record.created_by);
  root.attribute("intended_use", std::string("research use only"));
  root.attribute("stage", record.stage);
  root.attribute("stage_version", record.stage_version);
  root.attribute("batch_column", record.batch_column);
  root.attribute("reference_batch", record.reference);
  std::vector<std::string> names;
  std::vector<std::string> values;
  for (const auto& [name, value] : record.parameters) {
    names.push_back(name);
    values.push_back(value);
  }
  const Dimension parameter = root.dimension("parameter", names);
  root.write("parameter_value", {parameter}, values);
  const Dimension column = root.dimension("column", record.column);
  const Dimension batch = root.dimension("batch", record.batch);
  root.write("n_rows", {batch}, Values(record.n_rows));
  root.write("grand_mean", {column}, Values(to_vector(record.grand_mean)));
  root.write("pooled_sd", {column}, Values(to_vector(record.pooled_sd)));
  root.write("location", {batch, column}, record.location);
  root.write("scale", {batch, column}, record.scale);
  root.write("location_unshrunk", {batch, column}, record.location_unshrunk);
  root.write("scale_unshrunk", {batch, column}, record.scale_unshrunk);
  const Dimension prior =
      root.dimension("prior_term", std::vector<std::string>{"location_mean", "location_variance",
                                                            "scale_shape", "scale_rate"});
  root.write("prior", {batch, prior}, record.prior);
  if (record.covariate.empty()) return;
  const Dimension covariate = root.dimension("covariate", record.covariate);
  root.write("coefficients", {covariate, column}, record.coefficients);
}

Eigen::VectorXd vector_of(const File& file, const std::string& path, std::size_t n) {
  const std::vector<double> values = read_doubles(file, path);
  if (values.size() != n) {
    file.fail(path,
              "found " + std::to_string(values.size()) + " values, expected " + std::to_string(n));
  }
  return Eigen::Map<const Eigen::VectorXd>(values.data(), static_cast<Eigen::Index>(n));
}

Eigen::MatrixXd matrix_of(const File& file, const std::string& path, std::size_t rows,
                          std::size_t columns) {
  Eigen::MatrixXd out = read_matrix(file, path);
  if (static_cast<std::size_t>(out.rows()) != rows ||
      static_cast<std::size_t>(out.cols()) != columns) {
    file.fail(path, "found " + std::to_string(out.rows()) + " x " + std::to_string(out.cols()) +
                        ", expected " + std::to_string(rows) + " x " + std::to_string(columns));
  }
  return out;
}

} // namespace

void write_harmonization(const std::filesystem::path& path, const HarmonizationRecord& record) {
  const Hdf5Lock lock;
  PartFile part(path);
  {
    File file(part.part(), File::Mode::create);
    write_content(file, record);
    file.close();
  }
  part.publish();
}

HarmonizationRecord read_harmonization(const std::filesystem::path& path) {
  const Hdf5Lock lock;
  const File file(path, File::Mode::read);
  check_links(file);
  if (!has_attribute(file, "/", "format") || text_attribute(file, "/", "format") != kFormat) {
    file.fail("/@format", std::string("not a file of format ") + kFormat);
  }
  const double version = number_attribute(file, "/", "format_version");
  if (version != kVersion) {
    file.fail("/@format_version",
              "found " + as_text({version}).front() + ", expected " + std::to_string(kVersion));
  }
  HarmonizationRecord out;
  out.stage = text_attribute(file, "/", "stage");
  out.stage_version = whole_attribute(file, "/", "stage_version");
  out.created_by = text_attribute(file, "/", "created_by");
  out.batch_column = text_attribute(file, "/", "batch_column");
  out.reference = text_attribute(file, "/", "reference_batch");
  const std::vector<std::string> names = read_strings(file, "/parameter");
  const std::vector<std::string> values = read_strings(file, "/parameter_value");
  for (std::size_t i = 0; i < std::min(names.size(), values.size()); ++i) {
    out.parameters.emplace_back(names[i], values[i]);
  }
  out.column = read_strings(file, "/column");
  out.batch = read_strings(file, "/batch");
  out.n_rows = read_int32(file, "/n_rows");
  const std::size_t p = out.column.size();
  const std::size_t b = out.batch.size();
  out.grand_mean = vector_of(file, "/grand_mean", p);
  out.pooled_sd = vector_of(file, "/pooled_sd", p);
  out.location = matrix_of(file, "/location", b, p);
  out.scale = matrix_of(file, "/scale", b, p);
  out.location_unshrunk = matrix_of(file, "/location_unshrunk", b, p);
  out.scale_unshrunk = matrix_of(file, "/scale_unshrunk", b, p);
  out.prior = matrix_of(file, "/prior", b, 4);
  if (exists(file, "/covariate")) out.covariate = read_strings(file, "/covariate");
  out.coefficients = out.covariate.empty()
                         ? Eigen::MatrixXd(0, static_cast<Eigen::Index>(p))
                         : matrix_of(file, "/coefficients", out.covariate.size(), p);
  if (out.n_rows.size() != b) file.fail("/n_rows", "not one value for each batch");
  return out;
}

} // namespace boldmill::store
