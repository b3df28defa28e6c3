#include "pipeline/store/model_file.hpp"

#include "pipeline/store/group_record.hpp"
#include "pipeline/store/netcdf.hpp"
#include "pipeline/store/read.hpp"
#include "pipeline/store/seal.hpp"
#include "pipeline/store/self_contained.hpp"

namespace boldmill::store {
namespace {

constexpr const char* kFormat = "boldmill_model";
constexpr std::int32_t kVersion = 2;
constexpr std::int32_t kOldestVersion = 1;

void write_reference(const Group& root, const Dimension& measure,
                     const ReferenceRecord& reference) {
  if (reference.mean.empty()) return;
  const Group group = root.create("reference");
  group.attribute("task_free_source", reference.source);
  group.write("mean", {measure}, Values(reference.mean));
  group.write("sd", {measure}, Values(reference.sd));
  group.write("n", {measure}, Values(reference.n));
  const Dimension other = group.dimension("other_measure", measure.size);
  group.write("correlation", {measure, other}, reference.correlation);
}

void write_prediction(const Group& group, const FrozenPrediction& model) {
  group.attribute("target", model.target);
  group.attribute("intercept", model.intercept);
  group.attribute("largest_distance", model.largest_distance);
  group.attribute("max_missing_share", model.max_missing_share);
  group.attribute("interval_level", model.interval_level);
  group.attribute("half_width", model.half_width);
  group.attribute("n_people", model.n_people);
  group.attribute("steps", std::int32_t{model.has_steps ? 1 : 0});
  const Dimension column = group.dimension("column", model.column);
  group.write("fill", {column}, Values(model.fill));
  group.write("mean", {column}, Values(model.mean));
  group.write("sd", {column}, Values(model.sd));
  group.write("coefficient", {column}, Values(model.coefficient));
  if (!model.class_name.empty()) {
    const Dimension classes = group.dimension("class", model.class_name);
    group.write("least_probability", {classes}, Values(model.least_probability));
  }
  group.scalar("model_card", model.model_card);
}

void write_content(const File& file, const ModelRecord& model) {
  const Group root = Group::root(file);
  root.attribute("format", std::string(kFormat));
  root.attribute("format_version", kVersion);
  root.attribute("created_by", model.created_by);
  root.attribute("build", model.build);
  root.attribute("config_sha256", model.config_sha256);
  root.attribute("taxonomy_sha256", model.taxonomy_sha256);
  root.attribute("intended_use", std::string("research use only"));
  root.scalar("config", model.config_json);
  const Dimension measure = root.dimension("measure", model.measure);
  (void)root.dimension("feature", model.feature);
  (void)root.dimension("score", model.score);
  write_reference(root, measure, model.reference);
  const Group known = root.create("known");
  for (const auto& [name, values] : model.known) {
    const Group column = known.create(name);
    const Dimension level = column.dimension("level", values.size());
    column.write("value", {level}, values);
  }
  const Group predictions = root.create("predictions");
  for (const FrozenPrediction& one : model.predictions) {
    write_prediction(predictions.create(one.target), one);
  }
  for (const GroupRecord& one : model.learned)
    write_group(root, root.open_or_create("learned"), one);
}

// Groups that hold arrays; their paths are those below /learned.
void read_learned(const File& file, const std::string& path, std::vector<GroupRecord>& out) {
  const std::vector<std::string> inner = subgroups(file, path);
  if (children(file, path).size() > inner.size()) {
    out.push_back(read_group(file, path));
    out.back().path = path.substr(std::string("/learned/").size());
  }
  for (const std::string& name : inner) read_learned(file, path + "/" + name, out);
}

FrozenPrediction read_prediction(const File& file, const std::string& path) {
  FrozenPrediction out;
  const auto number = [&](const char* name) { return number_attribute(file, path, name); };
  out.target = text_attribute(file, path, "target");
  out.intercept = number("intercept");
  out.largest_distance = number("largest_distance");
  out.max_missing_share = number("max_missing_share");
  out.interval_level = number("interval_level");
  out.half_width = number("half_width");
  out.n_people = static_cast<std::int32_t>(number("n_people"));
  out.has_steps = has_attribute(file, path, "steps") && number("steps") != 0.0;
  out.column = read_strings(file, path + "/column");
  out.fill = read_doubles(file, path + "/fill");
  out.mean = read_doubles(file, path + "/mean");
  out.sd = read_doubles(file, path + "/sd");
  out.coefficient = read_doubles(file, path + "/coefficient");
  for (const auto* values : {&out.fill, &out.mean, &out.sd, &out.coefficient}) {
    if (values->size() != out.column.size()) file.fail(path, "columns of unequal length");
  }
  if (exists(file, path + "/class")) {
    out.class_name = read_strings(file, path + "/class");
    out.least_probability = read_doubles(file, path + "/least_probability");
    if (out.class_name.size() != 2 || out.least_probability.size() != 2) {
      file.fail(path + "/class",
                "found " + std::to_string(out.class_name.size()) + " classes, expected 2");
    }
  }
  out.model_card = read_scalar_text(file, path + "/model_card");
  return out;
}

ReferenceRecord read_reference(const File& file, std::size_t n_measures) {
  ReferenceRecord out;
  if (!exists(file, "/reference")) return out;
  out.source = text_attribute(file, "/reference", "task_free_source");
  out.mean = read_doubles(file, "/reference/mean");
  out.sd = read_doubles(file, "/reference/sd");
  out.n = read_int32(file, "/reference/n");
  out.correlation = read_matrix(file, "/reference/correlation");
  const auto n = static_cast<Eigen::Index>(n_measures);
  if (out.mean.size() != n_measures || out.sd.size() != n_measures || out.n.size() != n_measures ||
      out.correlation.rows() != n || out.correlation.cols() != n) {
    file.fail("/reference", "not one value for each measure");
  }
  return out;
}

} // namespace

void write_model(const std::filesystem::path& path, const ModelRecord& model) {
  const Hdf5Lock lock;
  PartFile part(path);
  {
    File file(part.part(), File::Mode::create);
    write_content(file, model);
    file.close();
  }
  part.publish();
}

ModelRecord read_model(const std::filesystem::path& path) {
  const Hdf5Lock lock;
  const File file(path, File::Mode::read);
  check_links(file);
  if (!has_attribute(file, "/", "format") || text_attribute(file, "/", "format") != kFormat) {
    file.fail("/@format", std::string("not a file of format ") + kFormat +
                              ": the group level writes one as model.h5");
  }
  const int version = whole_attribute(file, "/", "format_version");
  if (version < kOldestVersion || version > kVersion) {
    file.fail("/@format_version", "found " + std::to_string(version) + ", expected " +
                                      std::to_string(kOldestVersion) + " to " +
                                      std::to_string(kVersion) +
                                      ": score with the version that wrote it, or write it anew");
  }
  ModelRecord out;
  out.created_by = text_attribute(file, "/", "created_by");
  out.build = text_attribute(file, "/", "build");
  out.config_sha256 = text_attribute(file, "/", "config_sha256");
  out.taxonomy_sha256 = text_attribute(file, "/", "taxonomy_sha256");
  out.config_json = read_scalar_text(file, "/config");
  out.measure = read_strings(file, "/measure");
  out.feature = read_strings(file, "/feature");
  out.score = read_strings(file, "/score");
  out.reference = read_reference(file, out.measure.size());
  for (const std::string& name : subgroups(file, "/known")) {
    const std::string group = "/known/" + name;
    out.known[original_name(file, group)] = read_strings(file, group + "/value");
  }
  for (const std::string& name : subgroups(file, "/predictions")) {
    out.predictions.push_back(read_prediction(file, "/predictions/" + name));
  }
  if (exists(file, "/learned")) {
    for (const std::string& name : subgroups(file, "/learned")) {
      read_learned(file, "/learned/" + name, out.learned);
    }
  }
  return out;
}

} // namespace boldmill::store
