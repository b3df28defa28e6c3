#include "pipeline/graph/dense_run.hpp"

#include <cmath>
#include <limits>

#include "pipeline/spaces/cifti_regions.hpp"

namespace boldmill::graph {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

} // namespace

void add_dense_series(const Study& study, const std::filesystem::path& series, RunResult& result,
                      const Context& context) {
  const auto& c = study.config;
  if (c.voxels.smoothing_mm > 0.0 || c.voxels.despike) {
    throw Error(ErrorKind::input, "found voxels.smoothing_mm or voxels.despike, expected neither "
                                  "with input.file_format = cifti");
  }
  result.tsnr = result.template_coverage = result.dropout = kNaN;
  const auto parcels =
      spaces::parcellate({series, c.files.at("atlas").path, 0}, c.extraction, context);
  for (std::size_t s = 0; s < study.target.sets.size(); ++s) {
    const auto n = static_cast<Eigen::Index>(study.target.sets[s].regions.size());
    if (s == 0) {
      result.series.push_back(parcels.outputs.parcel_series);
      result.coverage.emplace_back(parcels.outputs.coverage.begin(),
                                   parcels.outputs.coverage.end());
    } else {
      result.series.push_back(
          Eigen::MatrixXf::Constant(result.n_volumes, n, std::numeric_limits<float>::quiet_NaN()));
      result.coverage.emplace_back(static_cast<std::size_t>(n), kNaN);
    }
  }
  result.notes.insert(result.notes.end(), parcels.notes.begin(), parcels.notes.end());
  result.notes.emplace_back("a CIFTI series has no circuit regions");
}

std::size_t dense_run_peak_bytes(const Study& study, const std::filesystem::path& series) {
  const image_io::DenseShape shape = image_io::read_dense_shape(series);
  std::size_t n_regions = 0;
  for (const RegionSet& set : study.target.sets) n_regions += set.regions.size();
  extraction::Shape parcels;
  parcels.n_region_voxels = shape.n_grayordinates;
  parcels.n_regions = n_regions;
  parcels.n_volumes = shape.n_volumes;
  return shape.n_grayordinates * (shape.n_volumes * sizeof(float) + 64) +
         extraction::peak_bytes(parcels, study.config.extraction) + (std::size_t{64} << 20U);
}

} // namespace boldmill::graph
