#include "pipeline/graph/denoised_images.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>

#include "pipeline/image_io/columns.hpp"
#include "stages/core/mirrored_smooth.hpp"
#include "stages/core/smooth.hpp"

namespace boldmill::graph {
namespace {

using Json = DerivativeFolder::Json;

// What was done to the series, for its sidecar.
Json steps_of(const nuisance_regression::Design& design, const config::Config& config) {
  const auto& params = config.nuisance_regression;
  Json steps{{"NuisanceStrategy", params.strategy},
             {"NuisanceParameters", design.names},
             {"Filter", params.filter},
             {"HighpassFilter", params.high_pass_hz},
             {"LowpassFilter", params.low_pass_hz},
             {"FramewiseDisplacementThreshold", params.fd_threshold_mm},
             {"Despiked", config.voxels.despike},
             {"NumberOfVolumesDiscarded", design.n_dummy},
             {"DegreesOfFreedomLeft", design.dof_left}};
  if (!config.voxels.regressors.empty()) {
    steps["VoxelwiseRegressors"] = config.voxels.regressors;
  }
  return steps;
}

// BIDS: one repetition time, or with gaps the onset of every volume and how long one takes; volumes
// are taken to follow each other without a pause.
void add_times(Json& sidecar, std::span<const std::uint8_t> written, double tr_s) {
  Json onsets = Json::array();
  bool gap = false;
  std::size_t first = written.size();
  for (std::size_t t = 0; t < written.size(); ++t) {
    if (written[t] == 0) continue;
    first = std::min(first, t);
    gap = gap || t - first != onsets.size();
    onsets.push_back(tr_s * static_cast<double>(t - first));
  }
  if (gap) {
    sidecar["VolumeTiming"] = onsets;
    sidecar["FrameAcquisitionDuration"] = tr_s;
  } else {
    sidecar["RepetitionTime"] = tr_s;
  }
}

struct MapText {
  const char* description;
  const char* units;
};
const std::map<std::string, MapText>& map_texts() {
  static const std::map<std::string, MapText> texts{
      {"alff", {"amplitude of low-frequency fluctuations of the denoised series", "arbitrary"}},
      {"falff", {"fraction of the spectrum's amplitude in the band", "1"}},
      {"reho", {"regional homogeneity of the denoised series, Kendall's W", "1"}},
      {"tsnr", {"mean over standard deviation of the series before denoising", "1"}}};
  return texts;
}

} // namespace

void write_voxel_map(const std::filesystem::path& path, const Mask& mask,
                     const std::vector<float>& values, int space_code) {
  Volume volume(mask.grid);
  std::size_t n = 0;
  for (std::size_t v = 0; v < mask.data.size(); ++v) {
    if (mask.data[v] == 0) continue;
    volume.data[v] = std::isfinite(values[n]) ? values[n] : 0.0F;
    ++n;
  }
  image_io::write_volume(path, volume, {.space_code = space_code});
}

void write_voxel_series(const Eigen::Map<const Eigen::MatrixXf>& columns, const Mask& mask,
                        std::span<const std::uint8_t> written, const SeriesFiles& files,
                        const Context& context) {
  const auto n = static_cast<int>(
      std::count_if(written.begin(), written.end(), [](std::uint8_t w) { return w != 0; }));
  std::optional<image_io::SeriesWriter> denoised, smoothed;
  const Grid& grid = mask.grid;
  const image_io::WriteOptions options{.space_code = files.space_code};
  if (!files.denoised.empty()) denoised.emplace(files.denoised, grid, n, files.tr_s, options);
  if (!files.smoothed.empty()) smoothed.emplace(files.smoothed, grid, n, files.tr_s, options);
  if (!denoised && !smoothed) return;
  const Eigen::Vector3d sigma = (files.smoothing_mm / kFwhmPerSigma) / grid.spacing_mm().array();
  const std::vector<std::size_t> voxels = indices_of(mask);
  std::vector<float> copy;
  image_io::for_each_kept_volume(columns, voxels, grid, written, context,
                                 [&](std::span<const float> volume) {
                                   if (denoised) denoised->append(volume);
                                   if (!smoothed) return;
                                   copy.assign(volume.begin(), volume.end());
                                   mirrored_smooth_in_place(copy, grid.shape, sigma, context);
                                   smoothed->append(copy);
                                 });
  if (denoised) denoised->close();
  if (smoothed) smoothed->close();
}

void write_denoised(BrainVoxels& voxels, const Mask& mask, const RunResult& run,
                    const config::Config& config, const DerivedImages& images,
                    const Context& context) {
  const nuisance_regression::Design* design = voxels.design();
  if (design == nullptr) return;
  const Eigen::MatrixXf series = voxels.take_columns();
  std::vector<std::uint8_t> written = design->keep;
  if (config.nuisance_regression.output == "interpolated") {
    std::fill(written.begin() + design->n_dummy, written.end(), std::uint8_t{1});
  }
  Json sidecar = images.sidecar;
  sidecar["Description"] = "denoised BOLD series, inside the brain mask";
  sidecar["SkullStripped"] = true;
  add_times(sidecar, written, run.tr_s);
  sidecar.update(steps_of(*design, config));
  const std::string name = images.entities + "_desc-denoised_bold";
  const std::string smooth_name = images.entities + "_desc-denoisedSmoothed_bold";
  SeriesFiles files{images.folder->path(name, ".nii.gz"),
                    {},
                    config.voxels.smoothing_mm,
                    sidecar.contains("RepetitionTime") ? run.tr_s
                                                       : std::numeric_limits<double>::quiet_NaN(),
                    images.space_code};
  if (config.voxels.smoothing_mm > 0.0) {
    files.smoothed = images.folder->path(smooth_name, ".nii.gz");
  }
  write_voxel_series({series.data(), series.rows(), series.cols()}, mask, written, files, context);
  images.folder->put_json(name, sidecar);
  if (files.smoothed.empty()) return;
  sidecar["Description"] = "denoised BOLD series, smoothed";
  sidecar["SmoothingFWHM"] = config.voxels.smoothing_mm;
  sidecar["Sources"] = Json::array({images.folder->uri(name)});
  images.folder->put_json(smooth_name, sidecar);
}

void write_measures(const VoxelMeasures& measures, const Mask& mask, const DerivedImages& images) {
  for (const auto& [name, values] : measures.map) {
    const std::string file = images.entities + "_stat-" + name + "_boldmap";
    write_voxel_map(images.folder->path(file, ".nii.gz"), mask, values, images.space_code);
    Json sidecar = images.sidecar;
    const MapText& text = map_texts().at(name);
    sidecar["Description"] = text.description;
    sidecar["Units"] = text.units;
    images.folder->put_json(file, sidecar);
  }
}

} // namespace boldmill::graph
