// boldmill stage glm BOLD.nii.gz --events E.tsv --contrasts C.json --tr S --out DIR
// boldmill stage glm REGIONS.tsv --events E.tsv --contrasts C.json --tr S --out DIR
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "pipeline/bids/events.hpp"
#include "pipeline/bids/text.hpp"
#include "pipeline/bids/tsv.hpp"
#include "pipeline/cli/stage_command.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "stages/core/pattern.hpp"
#include "stages/task/glm.hpp"
#include "stages/task/task_design.hpp"

namespace boldmill::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string input, events, contrasts, mask, confounds, keep, out;
  std::vector<std::string> columns;
  double tr_s = 0.0;
  int n_dummy = 0;
  task_design::Params design;
  glm::Params fit;
};

// The series of a run, a column per voxel of the mask or per region.
struct Data {
  Mask mask; // empty for a table
  std::vector<std::string> names;
  Eigen::MatrixXf series;
};

// Without a mask: the voxels whose mean is at least a fifth of the largest mean.
Mask bright_voxels(const std::string& path, const Grid& grid, const Context& context) {
  std::vector<double> sum(grid.n_voxels(), 0.0);
  image_io::for_each_volume(path, context, [&](int, std::span<const float> volume) {
    for (std::size_t v = 0; v < volume.size(); ++v) sum[v] += static_cast<double>(volume[v]);
  });
  double largest = 0.0;
  for (const double value : sum)
    largest = std::isfinite(value) ? std::max(largest, value) : largest;
  Mask mask(grid);
  for (std::size_t v = 0; v < sum.size(); ++v) mask.data[v] = sum[v] > 0.2 * largest ? 1 : 0;
  return mask;
}

Data read_image(const Options& options, const Context& context) {
  const image_io::NiftiHeader header = image_io::read_header(options.input);
  Data data;
  data.mask = options.mask.empty() ? bright_voxels(options.input, header.grid, context)
                                   : image_io::read_mask(options.mask);
  if (!data.mask.grid.same_as(header.grid)) {
    throw Error(ErrorKind::input, options.mask + ": not on the grid of " + options.input);
  }
  const std::vector<std::size_t> voxels = indices_of(data.mask);
  const int n = header.n_volumes - options.n_dummy;
  if (n < 1) {
    throw Error(ErrorKind::input, options.input + ": has " + std::to_string(header.n_volumes) +
                                      " volumes, " + std::to_string(options.n_dummy) +
                                      " are to be dropped");
  }
  data.series.resize(n, static_cast<Eigen::Index>(voxels.size()));
  // Volumes are collected by 16, so that a column is written 64 bytes at a time.
  constexpr int kTogether = 16;
  std::vector<float> block(voxels.size() * kTogether);
  const auto flush = [&](int first, int count) {
    for (std::size_t v = 0; v < voxels.size(); ++v) {
      float* column = data.series.col(static_cast<Eigen::Index>(v)).data() + first;
      std::copy_n(block.data() + v * kTogether, count, column);
    }
  };
  image_io::for_each_volume(options.input, context, [&](int t, std::span<const float> volume) {
    const int row = t - options.n_dummy;
    if (row < 0) return;
    const int place = row % kTogether;
    for (std::size_t v = 0; v < voxels.size(); ++v) {
      block[v * kTogether + static_cast<std::size_t>(place)] = volume[voxels[v]];
    }
    if (place == kTogether - 1 || row == n - 1) flush(row - place, place + 1);
  });
  return data;
}

Data read_table(const Options& options) {
  const bids::Table table = bids::read_tsv(options.input);
  Data data;
  data.names = table.names();
  const Eigen::MatrixXf all = table.matrix().cast<float>();
  if (all.rows() <= options.n_dummy) {
    throw Error(ErrorKind::input, options.input + ": has " + std::to_string(all.rows()) + " rows");
  }
  data.series = all.bottomRows(all.rows() - options.n_dummy);
  return data;
}

struct Confounds {
  std::vector<std::string> names;
  Eigen::MatrixXd values;
  std::vector<std::uint8_t> keep;
};

Confounds read_confounds(const Options& options, Eigen::Index rows) {
  Confounds out;
  const auto steady = [&](const Eigen::MatrixXd& all, const std::string& path) -> Eigen::MatrixXd {
    if (all.rows() == rows + options.n_dummy) return all.bottomRows(rows);
    throw Error(ErrorKind::input, path + ": found " + std::to_string(all.rows()) +
                                      " rows, expected " + std::to_string(rows + options.n_dummy));
  };
  if (!options.confounds.empty()) {
    const bids::Table table = bids::read_tsv(options.confounds);
    for (const std::string& pattern : options.columns) {
      bool found = false;
      for (const std::string& name : table.names()) {
        if (!matches_pattern(pattern, name)) continue;
        found = true;
        if (std::find(out.names.begin(), out.names.end(), name) == out.names.end()) {
          out.names.push_back(name);
        }
      }
      if (!found) (void)table.require(pattern);
    }
    if (!out.names.empty()) out.values = steady(table.matrix(out.names), options.confounds);
  }
  if (!options.keep.empty()) {
    const Eigen::MatrixXd all = bids::read_tsv(options.keep).matrix();
    const Eigen::MatrixXd kept = steady(all.leftCols(1), options.keep);
    for (Eigen::Index t = 0; t < rows; ++t) out.keep.push_back(kept(t, 0) != 0.0 ? 1 : 0);
  }
  return out;
}

task_design::Design design_of(const Options& options, const Confounds& confounds,
                              Eigen::Index rows) {
  std::vector<task_design::Event> events;
  std::vector<std::string> modulators;
  for (const std::string& text : options.design.modulators) {
    modulators.push_back(text.substr(text.rfind(':') + 1));
  }
  const std::vector<bids::Event> table = bids::read_events(options.events);
  Eigen::MatrixXd values(static_cast<Eigen::Index>(table.size()),
                         static_cast<Eigen::Index>(modulators.size()));
  for (std::size_t e = 0; e < table.size(); ++e) {
    const bids::Event& event = table[e];
    events.push_back({event.onset_s, event.duration_s, event.trial_type, event.modulation});
    for (std::size_t m = 0; m < modulators.size(); ++m) {
      const auto cell = event.other.find(modulators[m]);
      double value = std::numeric_limits<double>::quiet_NaN();
      if (modulators[m] == "response_time") value = event.response_time_s;
      if (cell != event.other.end()) value = bids::parse_number(cell->second).value_or(value);
      values(static_cast<Eigen::Index>(e), static_cast<Eigen::Index>(m)) = value;
    }
  }
  return task_design::run(
      {.events = events,
       .modulator_names = &modulators,
       .modulators = {values.data(), values.rows(), values.cols()},
       .n_volumes = static_cast<int>(rows),
       .tr_s = options.tr_s,
       .start_s = options.n_dummy * options.tr_s,
       .confound_names = confounds.names.empty() ? nullptr : &confounds.names,
       .confounds = {confounds.values.data(), confounds.values.rows(), confounds.values.cols()},
       .keep = confounds.keep},
      options.design);
}

// "a - b", {"a": 1, "b": -1} or a list of numbers, one per column.
Eigen::RowVectorXd row_of(const Json& json, const std::vector<std::string>& names,
                          const std::string& what) {
  if (json.is_string()) return contrast_weights(json.get<std::string>(), names);
  const auto n = static_cast<Eigen::Index>(names.size());
  Eigen::RowVectorXd out = Eigen::RowVectorXd::Zero(n);
  if (json.is_object()) {
    for (const auto& [name, weight] : json.items()) {
      if (!weight.is_number()) throw Error(ErrorKind::input, what + ": a weight is not a number");
      const std::string quoted = "\"" + name + "\"";
      out += weight.get<double>() * contrast_weights(quoted, names);
    }
    return out;
  }
  if (!json.is_array() || static_cast<Eigen::Index>(json.size()) > n) {
    throw Error(ErrorKind::input, what + ": expected an expression, weights by name, or at most " +
                                      std::to_string(n) + " numbers");
  }
  for (std::size_t i = 0; i < json.size(); ++i) {
    if (!json[i].is_number()) throw Error(ErrorKind::input, what + ": a weight is not a number");
    out[static_cast<Eigen::Index>(i)] = json[i].get<double>();
  }
  return out;
}

bool is_test_of_several(const Json& json) {
  return json.is_array() && !json.empty() && !json[0].is_number();
}

struct Asked {
  std::vector<Contrast> contrasts;
  std::vector<std::pair<std::string, std::string>> missing; // name, reason
};

// A contrast that names a condition without an event is missing; any other fault is an error.
Asked read_contrasts(const Options& options, const task_design::Design& design) {
  std::ifstream stream(options.contrasts);
  if (!stream) throw Error(ErrorKind::input, options.contrasts + ": cannot be read");
  const Json json = Json::parse(stream, nullptr, false);
  if (!json.is_object() || json.empty()) {
    throw Error(ErrorKind::input,
                options.contrasts + ": expected a JSON object of names and contrasts");
  }
  std::vector<std::string> names = design.names();
  const std::size_t n_columns = names.size();
  for (const task_design::Condition& condition : design.conditions) {
    if (!condition.missing.empty()) names.push_back(condition.name);
  }
  Asked out;
  for (const auto& [name, value] : json.items()) {
    const std::string what = options.contrasts + ": contrast '" + name + "'";
    Contrast contrast{name, {}};
    const Json rows = is_test_of_several(value) ? value : Json::array({value});
    for (const Json& row : rows) {
      const Eigen::RowVectorXd weights = row_of(row, names, what);
      contrast.weights.conservativeResize(contrast.weights.rows() + 1, weights.size());
      contrast.weights.bottomRows(1) = weights;
    }
    std::string reason;
    for (std::size_t c = n_columns; c < names.size(); ++c) {
      if (contrast.weights.col(static_cast<Eigen::Index>(c)).isZero(0.0)) continue;
      reason = "condition '" + names[c] + "' has no column";
      for (const task_design::Condition& condition : design.conditions) {
        if (condition.name == names[c]) reason += ": " + condition.missing;
      }
    }
    contrast.weights.conservativeResize(Eigen::NoChange, static_cast<Eigen::Index>(n_columns));
    if (reason.empty()) {
      out.contrasts.push_back(std::move(contrast));
    } else {
      out.missing.emplace_back(name, reason);
    }
  }
  return out;
}

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json summary(const task_design::Design& design, const Asked& asked, const glm::Outputs& fit) {
  Json json;
  json["n_volumes"] = design.keep.size();
  json["n_kept"] = fit.n_kept;
  json["rank"] = fit.rank;
  json["dof"] = fit.dof;
  json["noise_models"] = fit.n_models;
  json["columns_missing"] = fit.n_missing;
  json["max_correlation"] = number(design.max_correlation);
  json["max_correlation_pair"] = design.max_correlation_pair;
  for (const task_design::Condition& c : design.conditions) {
    json["conditions"].push_back({{"name", c.name},
                                  {"trial_types", c.trial_types},
                                  {"n_events", c.n_events},
                                  {"duration_s", c.duration_s},
                                  {"missing", c.missing}});
  }
  for (const task_design::Column& c : design.columns) {
    json["columns"].push_back({{"name", c.name}, {"role", c.role}, {"vif", number(c.vif)}});
  }
  const Eigen::MatrixXd kept = [&] {
    Eigen::MatrixXd rows(design.n_kept, design.matrix.cols());
    Eigen::Index n = 0;
    for (std::size_t t = 0; t < design.keep.size(); ++t) {
      if (design.keep[t] != 0) rows.row(n++) = design.matrix.row(static_cast<Eigen::Index>(t));
    }
    return rows;
  }();
  for (std::size_t k = 0; k < asked.contrasts.size(); ++k) {
    const ContrastQuality quality = contrast_quality(asked.contrasts[k].weights, kept);
    json["contrasts"].push_back({{"name", asked.contrasts[k].name},
                                 {"test", fit.contrasts[k].n_rows == 1 ? "t" : "F"},
                                 {"efficiency", quality.efficiency},
                                 {"missing", fit.contrasts[k].missing}});
  }
  for (const auto& [name, reason] : asked.missing) {
    json["contrasts"].push_back({{"name", name}, {"missing", reason}});
  }
  json["unmodelled_events"] = design.unmodelled;
  json["dependent_columns"] = design.dependent;
  json["notes"] = design.notes;
  return json;
}

// 0 outside the mask and where there is no value.
void write_map(const std::string& path, const Mask& mask, const Eigen::VectorXf& values) {
  Volume volume(mask.grid);
  const std::vector<std::size_t> voxels = indices_of(mask);
  for (std::size_t v = 0; v < voxels.size(); ++v) {
    const float value = values[static_cast<Eigen::Index>(v)];
    volume.data[voxels[v]] = std::isfinite(value) ? value : 0.0F;
  }
  image_io::write_volume(path, volume);
}

void write_maps(const Options& options, const Data& data, const glm::Outputs& fit) {
  for (const glm::ContrastResult& result : fit.contrasts) {
    if (!result.missing.empty()) continue;
    const std::string stem = options.out + "/" + bids::safe_component(result.name) + "_";
    if (result.n_rows == 1) write_map(stem + "effect.nii.gz", data.mask, result.effect);
    write_map(stem + "variance.nii.gz", data.mask, result.variance);
    write_map(stem + (result.n_rows == 1 ? "t.nii.gz" : "F.nii.gz"), data.mask, result.stat);
    write_map(stem + "z.nii.gz", data.mask, result.z);
    write_map(stem + "dof.nii.gz", data.mask, result.dof);
  }
}

void write_regions(const Options& options, const Data& data, const glm::Outputs& fit) {
  std::vector<std::string> contrast, region;
  std::vector<float> effect, variance, stat, z, dof;
  for (const glm::ContrastResult& result : fit.contrasts) {
    for (std::size_t r = 0; r < data.names.size(); ++r) {
      const auto i = static_cast<Eigen::Index>(r);
      contrast.push_back(result.name);
      region.push_back(data.names[r]);
      effect.push_back(result.n_rows == 1 ? result.effect[i]
                                          : std::numeric_limits<float>::quiet_NaN());
      variance.push_back(result.variance[i]);
      stat.push_back(result.stat[i]);
      z.push_back(result.z[i]);
      dof.push_back(result.dof[i]);
    }
  }
  bids::TableWriter table;
  table.text("contrast", contrast).text("region", region).numbers("effect", effect);
  table.numbers("variance", variance).numbers("stat", stat).numbers("z", z).numbers("dof", dof);
  table.write(options.out + "/contrasts.tsv");
}

void run_glm(const Options& options) {
  const Context context = process_context();
  const bool is_table = options.input.ends_with(".tsv");
  const Data data = is_table ? read_table(options) : read_image(options, context);
  const Confounds confounds = read_confounds(options, data.series.rows());
  const task_design::Design design = design_of(options, confounds, data.series.rows());
  for (const std::string& note : design.notes) {
    std::cerr << "note: " << bids::display(note, 500) << '\n';
  }
  const Asked asked = read_contrasts(options, design);
  const glm::Outputs fit =
      glm::run({.series = {data.series.data(), data.series.rows(), data.series.cols()},
                .design = &design.matrix,
                .keep = design.keep,
                .tr_s = options.tr_s,
                .contrasts = asked.contrasts},
               options.fit, context);
  std::filesystem::create_directories(options.out);
  bids::write_tsv(options.out + "/design.tsv", design.names(), design.matrix);
  std::ofstream json(options.out + "/design.json");
  json << summary(design, asked, fit).dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
  json.close();
  if (!json) throw Error(ErrorKind::disk, options.out + "/design.json: cannot be written");
  if (is_table) {
    write_regions(options, data, fit);
  } else {
    write_maps(options, data, fit);
  }
  std::cerr << fit.n_kept << " of " << design.keep.size() << " volumes, " << fit.dof
            << " degrees of freedom, " << data.series.cols() << " columns, " << fit.n_missing
            << " of them missing\n";
}

} // namespace

void add_glm(CLI::App& stage_app) {
  const auto options = std::make_shared<Options>();
  CLI::App* app = stage_app.add_subcommand("glm", std::string(glm::kStage.summary));
  app->add_option("input", options->input, "4-D image, or a table of volumes by regions (.tsv)")
      ->required();
  app->add_option("--events", options->events, "events of the run (BIDS TSV)")->required();
  app->add_option("--contrasts", options->contrasts,
                  "JSON object: name to expression (\"sad - neutral\"), weights by column or list "
                  "of weights; a list of these is an F test")
      ->required();
  app->add_option("--tr", options->tr_s, "repetition time [s]")->required();
  app->add_option("--out", options->out, "folder for maps, design.tsv, design.json")->required();
  app->add_option("--mask", options->mask,
                  "voxels to fit (default: mean above a fifth of the largest)");
  app->add_option("--confounds", options->confounds, "table with fMRIPrep's column names (TSV)");
  app->add_option("--columns", options->columns, "its columns to use; a * stands for any text");
  app->add_option("--keep", options->keep,
                  "table of one column, a row a volume: 1 kept, 0 censored");
  app->add_option("--dummy-scans", options->n_dummy, "volumes before steady state, dropped");
  add_params(*app, options->design);
  add_params(*app, options->fit);
  app->callback([options] { run_glm(*options); });
}

} // namespace boldmill::cli
