#include "pipeline/spaces/cifti_regions.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "stages/core/error.hpp"

namespace boldmill::spaces {
namespace {

using image_io::BrainModel;
using image_io::BrainModels;

constexpr std::int64_t kNowhere = -1;

void require_alike(const BrainModel& atlas, const BrainModel& series, bool same_volume,
                   const std::string& name) {
  const auto kind = [](const BrainModel& model) {
    return model.is_surface()
               ? "a surface of " + std::to_string(model.n_surface_vertices) + " vertices"
               : std::string("voxels");
  };
  if (atlas.n_surface_vertices != series.n_surface_vertices) {
    throw Error(ErrorKind::input, name + ": " + atlas.structure + " is " + kind(atlas) +
                                      ", in the series " + kind(series));
  }
  if (!atlas.is_surface() && !same_volume) {
    throw Error(ErrorKind::input,
                name + ": " + atlas.structure + " has voxels of another volume than the series");
  }
}

bool same_volume(const BrainModels& a, const BrainModels& b) {
  return a.volume && b.volume && a.volume->same_as(*b.volume);
}

// Where each place of a structure (vertex, or voxel of the volume) is in the series.
class Places {
public:
  Places(const BrainModels& series, std::string structure) {
    for (const BrainModel& model : series.models) {
      if (model.structure != structure) continue;
      model_ = &model;
      for (std::size_t i = 0; i < model.count; ++i) {
        place_[key(model, i)] = static_cast<std::int64_t>(model.offset + i);
      }
    }
  }
  [[nodiscard]] const BrainModel* model() const { return model_; }
  [[nodiscard]] std::int64_t of(const BrainModel& atlas, std::size_t i) const {
    const auto found = place_.find(key(atlas, i));
    return found == place_.end() ? kNowhere : found->second;
  }

private:
  using Key = std::array<int, 3>;
  static Key key(const BrainModel& model, std::size_t i) {
    return model.is_surface() ? Key{model.vertices[i], -1, -1} : model.voxels[i];
  }
  const BrainModel* model_ = nullptr;
  std::map<Key, std::int64_t> place_;
};

std::vector<Region> empty_regions(const image_io::DenseLabels& labels) {
  std::vector<Region> regions;
  std::map<std::string, int> uses;
  for (const image_io::CiftiLabel& label : labels.table) {
    if (label.key == 0 || label.name == "???") continue;
    Region region;
    region.index = label.key;
    region.label = label.name.empty() ? "label-" + std::to_string(label.key) : label.name;
    region.center_mm.setConstant(std::numeric_limits<double>::quiet_NaN());
    ++uses[region.label];
    regions.push_back(std::move(region));
  }
  for (Region& region : regions) {
    if (uses[region.label] > 1) region.label += "_" + std::to_string(region.index);
  }
  return regions;
}

void add(std::string& list, const std::string& name) { list += (list.empty() ? "" : ", ") + name; }

} // namespace

DenseRegions dense_regions(const image_io::DenseLabels& labels, const BrainModels& series,
                           const std::string& atlas_name) {
  DenseRegions out;
  out.regions = empty_regions(labels);
  out.n_grayordinates = series.n_grayordinates();
  if (out.regions.empty()) {
    throw Error(ErrorKind::input,
                atlas_name + ": found no label in the table of map '" + labels.map_name + "'");
  }
  std::map<std::int32_t, std::size_t> position;
  for (std::size_t r = 0; r < out.regions.size(); ++r) position[out.regions[r].index] = r;
  std::size_t next_outside = out.n_grayordinates;
  std::string absent, unnamed, empty;
  std::map<std::int32_t, int> strangers;
  const bool volumes_agree = same_volume(labels.models, series);
  for (const BrainModel& model : labels.models.models) {
    const Places places(series, model.structure);
    if (places.model() == nullptr) {
      add(absent, model.structure);
    } else {
      require_alike(model, *places.model(), volumes_agree, atlas_name);
    }
    for (std::size_t i = 0; i < model.count; ++i) {
      const std::int32_t key = labels.keys[model.offset + i];
      const auto region = position.find(key);
      if (region == position.end()) {
        if (key != 0) ++strangers[key];
        continue;
      }
      const std::int64_t place = places.of(model, i);
      out.regions[region->second].voxels.push_back(
          place == kNowhere ? next_outside++ : static_cast<std::size_t>(place));
    }
  }
  for (Region& region : out.regions) {
    std::sort(region.voxels.begin(), region.voxels.end());
    if (region.voxels.empty()) add(empty, region.label);
  }
  for (const auto& [key, n] : strangers) {
    const bool background = std::any_of(
        labels.table.begin(), labels.table.end(),
        [k = key](const image_io::CiftiLabel& l) { return l.key == k && l.name == "???"; });
    if (!background) add(unnamed, std::to_string(key));
  }
  if (!absent.empty()) {
    out.notes.push_back(atlas_name + ": structures that the series lacks: " + absent);
  }
  if (!empty.empty()) out.notes.push_back(atlas_name + ": labels without grayordinates: " + empty);
  if (!unnamed.empty()) {
    out.notes.push_back(atlas_name + ": keys that are not in the table are left out: " + unnamed);
  }
  return out;
}

DenseParcels parcellate(const DenseFiles& files, const extraction::Params& params,
                        const Context& context) {
  const std::string atlas_name = files.atlas.filename().string();
  const image_io::DenseLabels labels = image_io::read_dense_labels(files.atlas, files.map);
  DenseRegions regions =
      dense_regions(labels, image_io::read_brain_models(files.series), atlas_name);
  std::vector<std::uint8_t> wanted(regions.n_grayordinates, 0);
  for (const Region& region : regions.regions) {
    for (const std::size_t g : region.voxels) {
      if (g < wanted.size()) wanted[g] = 1;
    }
  }
  image_io::DenseSeries dense = image_io::read_dense_series(files.series, context, &wanted);
  DenseParcels out;
  // What is 0 or missing throughout moves to the end and is dropped.
  std::size_t kept = 0;
  for (std::size_t c = 0; c < dense.columns.size(); ++c) {
    const auto column = dense.series.col(static_cast<Eigen::Index>(c)).array();
    if ((column == 0.0F || column.isNaN()).all()) continue;
    if (kept != c) {
      dense.series.col(static_cast<Eigen::Index>(kept)) =
          dense.series.col(static_cast<Eigen::Index>(c)).eval();
    }
    dense.columns[kept++] = dense.columns[c];
  }
  if (kept < dense.columns.size()) {
    regions.notes.push_back(
        std::to_string(dense.columns.size() - kept) +
        " labelled grayordinates are 0 or missing throughout and count as not covered");
  }
  dense.columns.resize(kept);
  dense.series.conservativeResize(Eigen::NoChange, static_cast<Eigen::Index>(kept));
  out.outputs = extraction::run(
      {.voxel_series = &dense.series, .columns = &dense.columns, .regions = &regions.regions},
      params, context);
  out.regions = std::move(regions.regions);
  out.notes = std::move(regions.notes);
  out.tr_s = dense.tr_s;
  return out;
}

} // namespace boldmill::spaces
