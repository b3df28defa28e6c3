#include "pipeline/cli/stages/norms_model_file.hpp"

#include <bit>
#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "pipeline/cache/cache.hpp"
#include "pipeline/cli/stage_command.hpp"

namespace boldmill::cli {
namespace {

using Json = nlohmann::ordered_json;

Json json_of(const Eigen::VectorXd& values) {
  return std::vector<double>(values.begin(), values.end());
}

// The lower triangle, row by row.
Json triangle_of(const Eigen::MatrixXd& matrix) {
  Json out = Json::array();
  for (Eigen::Index i = 0; i < matrix.rows(); ++i) {
    for (Eigen::Index j = 0; j <= i; ++j) out.push_back(matrix(i, j));
  }
  return out;
}

Eigen::VectorXd vector_from(const Json& json) {
  const auto values = json.get<std::vector<double>>();
  return Eigen::Map<const Eigen::VectorXd>(values.data(), static_cast<Eigen::Index>(values.size()));
}

Eigen::MatrixXd symmetric_from(const Json& json, Eigen::Index size) {
  const auto values = json.get<std::vector<double>>();
  if (static_cast<Eigen::Index>(values.size()) != size * (size + 1) / 2) {
    throw Error(ErrorKind::input, "a covariance has another size than its weights");
  }
  Eigen::MatrixXd out(size, size);
  std::size_t at = 0;
  for (Eigen::Index i = 0; i < size; ++i) {
    for (Eigen::Index j = 0; j <= i; ++j) out(i, j) = out(j, i) = values[at++];
  }
  return out;
}

Json json_of(const normative_model::Measure& measure, const std::string& name) {
  Json json{{"name", name}, {"n", measure.n}, {"scale", measure.scale}};
  if (!(measure.scale > 0.0)) return json;
  json["centre"] = measure.centre;
  json["log_precision"] = json_of(measure.fitted.hyper.log_precision);
  json["log_variance"] = json_of(measure.fitted.hyper.variance);
  json["warp"] = {measure.fitted.hyper.warp.a, measure.fitted.hyper.warp.log_b};
  json["weights"] = json_of(measure.fitted.posterior.weights);
  json["covariance"] = triangle_of(measure.fitted.posterior.covariance);
  json["log_evidence"] = measure.fitted.posterior.log_evidence;
  json["converged"] = measure.fitted.converged;
  return json;
}

normative_model::Measure measure_from(const Json& json) {
  normative_model::Measure out;
  out.n = json.at("n").get<int>();
  out.scale = json.at("scale").get<double>();
  if (!(out.scale > 0.0)) return out;
  out.centre = json.at("centre").get<double>();
  auto& [hyper, posterior, iterations, converged] = out.fitted;
  hyper.log_precision = vector_from(json.at("log_precision"));
  hyper.variance = vector_from(json.at("log_variance"));
  hyper.warp = {json.at("warp").at(0).get<double>(), json.at("warp").at(1).get<double>()};
  posterior.weights = vector_from(json.at("weights"));
  posterior.covariance = symmetric_from(json.at("covariance"), posterior.weights.size());
  posterior.log_evidence = json.at("log_evidence").get<double>();
  converged = json.at("converged").get<bool>();
  return out;
}

// What the parts of a file say about each other.
void check_sizes(const NormsFile& file) {
  const auto& model = file.model;
  const Eigen::Index linear =
      static_cast<Eigen::Index>(model.covariate_names.size()) - (model.age >= 0 ? 1 : 0);
  const Eigen::Index width =
      1 + model.spline.size() + linear + static_cast<Eigen::Index>(model.batches.size());
  bool fits = model.linear_mean.size() == linear && model.linear_sd.size() == linear &&
              model.age < static_cast<Eigen::Index>(model.covariate_names.size()) &&
              (model.batches.empty() || model.batches.size() == file.batch.size());
  const Eigen::Index blocks = model.batches.empty() ? 0 : 2;
  for (const auto& measure : model.measures) {
    if (!(measure.scale > 0.0)) continue;
    fits = fits && measure.fitted.posterior.weights.size() == width &&
           measure.fitted.hyper.log_precision.size() >= blocks &&
           measure.fitted.hyper.variance.size() == 1 + model.variance_spline.size();
  }
  if (!fits) throw Error(ErrorKind::input, "parts of the model do not fit together");
}

NormsFile from_json(const Json& json) {
  NormsFile out;
  auto& model = out.model;
  const Json& params = json.at("parameters");
  for_each_field(model.params, [&](std::string_view name, auto& field, auto&&...) {
    params.at(std::string(name)).get_to(field);
  });
  out.age_column = model.params.age;
  json.at("batch_column").get_to(out.batch_column);
  json.at("covariate_columns").get_to(out.covariate_columns);
  json.at("reference_level").get_to(out.reference_level);
  json.at("batch").get_to(out.batch);
  json.at("row_digest").get_to(out.row_digest);
  json.at("covariate").get_to(model.covariate_names);
  json.at("batch_id").get_to(model.batches);
  model.age = json.at("age").get<int>();
  model.spline.knots = vector_from(json.at("knots"));
  model.variance_spline.knots = vector_from(json.at("variance_knots"));
  model.linear_mean = vector_from(json.at("covariate_mean"));
  model.linear_sd = vector_from(json.at("covariate_sd"));
  for (const Json& measure : json.at("measures")) {
    model.names.push_back(measure.at("name").get<std::string>());
    model.measures.push_back(measure_from(measure));
  }
  check_sizes(out);
  return out;
}

} // namespace

void write_norms(const std::filesystem::path& path, const NormsFile& file) {
  const auto& model = file.model;
  Json json{{"stage", normative_model::kStage.name},
            {"version", normative_model::kStage.version},
            {"intended_use", "research use only"}};
  for_each_field(model.params, [&](std::string_view name, const auto& value, auto&&...) {
    json["parameters"][std::string(name)] = value;
  });
  json["batch_column"] = file.batch_column;
  json["covariate_columns"] = file.covariate_columns;
  json["reference_level"] = file.reference_level;
  json["covariate"] = model.covariate_names;
  json["age"] = model.age;
  json["knots"] = json_of(model.spline.knots);
  json["variance_knots"] = json_of(model.variance_spline.knots);
  json["covariate_mean"] = json_of(model.linear_mean);
  json["covariate_sd"] = json_of(model.linear_sd);
  json["batch"] = file.batch;
  json["batch_id"] = model.batches;
  json["row_digest"] = file.row_digest;
  json["measures"] = Json::array();
  for (std::size_t m = 0; m < model.measures.size(); ++m) {
    json["measures"].push_back(json_of(model.measures[m], model.names[m]));
  }
  cache::write_file_atomically(path, json.dump(1) + "\n");
}

NormsFile read_norms(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw Error(ErrorKind::input, path.string() + ": cannot be read");
  std::ostringstream text;
  text << stream.rdbuf();
  try {
    const Json json = Json::parse(text.str());
    const auto stage = json.at("stage").get<std::string>();
    const int version = json.at("version").get<int>();
    if (stage != normative_model::kStage.name || version != normative_model::kStage.version) {
      throw Error(ErrorKind::input, "found a model of " + stage + " " + std::to_string(version) +
                                        ", expected " + std::string(normative_model::kStage.name) +
                                        " " + std::to_string(normative_model::kStage.version));
    }
    return from_json(json);
  } catch (const Error& error) {
    throw Error(ErrorKind::input, path.string() + ": " + error.what());
  } catch (const nlohmann::json::exception& error) {
    throw Error(ErrorKind::input,
                path.string() + ": not a normative model of this program: " + error.what());
  }
}

std::vector<std::string> row_digests(const Eigen::MatrixXd& x) {
  std::vector<std::string> out;
  for (Eigen::Index i = 0; i < x.rows(); ++i) {
    std::uint64_t digest = 14695981039346656037ULL;
    for (const double value : x.row(i)) {
      auto bits = std::isnan(value) ? ~std::uint64_t{0} : std::bit_cast<std::uint64_t>(value + 0.0);
      for (int byte = 0; byte < 8; ++byte, bits >>= 8U) {
        digest = (digest ^ (bits & 0xffU)) * 1099511628211ULL;
      }
    }
    std::ostringstream text;
    text << std::hex << digest;
    out.push_back(text.str());
  }
  return out;
}

} // namespace boldmill::cli
