#include "pipeline/graph/voxel_path.hpp"

#include <algorithm>
#include <limits>

#include "pipeline/graph/denoised_images.hpp"
#include "pipeline/image_io/columns.hpp"

namespace boldmill::graph {
namespace {

namespace regression = nuisance_regression;
using Columns = Eigen::Map<Eigen::MatrixXf>;
using ConstColumns = Eigen::Map<const Eigen::MatrixXf>;

void check(const VoxelPath& path, const VoxelFiles& files) {
  if (path.nuisance.standardize && !files.alff.empty()) {
    throw Error(ErrorKind::usage,
                "alff: the series are z-scored, expected standardize = false: ALFF is in their "
                "units");
  }
  if (!files.smoothed.empty() && !(path.smoothing_mm > 0.0)) {
    throw Error(ErrorKind::usage, "smoothed series: found a width of 0 mm, expected more");
  }
}

// As if the file began after the dummies.
regression::Design without_dummies(regression::Design design) {
  design.keep.erase(design.keep.begin(), design.keep.begin() + design.n_dummy);
  design.n_dummy = 0;
  return design;
}

void write_maps(const VoxelPath& path, const regression::Design& design, const VoxelFiles& files,
                const ConstColumns& columns, const Context& context) {
  if (!files.alff.empty()) {
    alff::Params params = path.alff;
    params.fraction = false; // of filtered series it would say nothing
    const alff::Outputs out = alff::run({columns, design.keep, design.tr_s}, params, context);
    write_voxel_map(files.alff, path.mask, out.alff);
  }
  if (!files.reho.empty()) {
    const reho::Outputs out = reho::run({columns, &path.mask, design.keep}, path.reho, context);
    write_voxel_map(files.reho, path.mask, out.reho);
  }
}

void write_series(const VoxelPath& path, const regression::Design& design, const VoxelFiles& files,
                  const ConstColumns& columns, const Context& context) {
  std::vector<std::uint8_t> written = design.keep;
  if (path.nuisance.output == "interpolated") written.assign(written.size(), 1);
  const bool whole = std::count(written.begin(), written.end(), 0) == 0;
  // Gaps make a single repetition time untrue.
  const double tr_s = whole ? design.tr_s : std::numeric_limits<double>::quiet_NaN();
  write_voxel_series(columns, path.mask, written,
                     {files.denoised, files.smoothed, path.smoothing_mm, tr_s}, context);
}

// T x voxels each, without the dummies.
std::vector<Eigen::MatrixXf>
read_voxelwise(const VoxelPath& path, std::span<const std::size_t> voxels, const Context& context) {
  const auto n_volumes = static_cast<int>(path.design.keep.size());
  std::vector<Eigen::MatrixXf> series;
  for (const std::filesystem::path& file : path.voxelwise) {
    const image_io::NiftiHeader header = image_io::read_header(file);
    if (header.n_volumes != n_volumes || !header.grid.same_as(path.mask.grid)) {
      throw Error(ErrorKind::input, file.string() + ": found " + std::to_string(header.n_volumes) +
                                        " volumes, expected " + std::to_string(n_volumes) +
                                        " on the grid of the series");
    }
    series.push_back(image_io::read_columns(file, voxels, path.design.n_dummy, context));
  }
  return series;
}

} // namespace

void write_voxel_images(const VoxelPath& path, const VoxelFiles& files, const Context& context) {
  check(path, files);
  const std::vector<std::size_t> voxels = indices_of(path.mask);
  Eigen::MatrixXf columns = image_io::read_columns(path.bold, voxels, path.design.n_dummy, context);
  const std::vector<Eigen::MatrixXf> voxelwise = read_voxelwise(path, voxels, context);
  std::vector<ConstColumns> others;
  for (const Eigen::MatrixXf& each : voxelwise) {
    others.emplace_back(each.data(), each.rows(), each.cols());
  }
  const Columns view(columns.data(), columns.rows(), columns.cols());
  const regression::Design design = without_dummies(path.design);
  if (path.despike) (void)despike::run_in_place(view, 0, *path.despike, context);
  regression::Params params = path.nuisance;
  // XCP-D's SD of ALFF covers the interpolated volumes; the others do not depend on it.
  const bool wants_all = params.filter == "butterworth" && !files.alff.empty();
  if (wants_all) params.output = "interpolated";
  regression::run_in_place(view, design, params, context, others);
  const ConstColumns done(columns.data(), columns.rows(), columns.cols());
  write_maps(path, design, files, done, context);
  write_series(path, design, files, done, context);
}

std::size_t voxel_path_bytes(std::size_t n_in_mask, std::size_t n_grid, std::size_t n_volumes,
                             std::size_t n_voxelwise) {
  constexpr std::size_t kWriters = std::size_t{100} << 20U; // compression, ranks of three planes
  return (1 + n_voxelwise) * image_io::columns_bytes(n_in_mask, n_volumes) + n_in_mask * 16 +
         n_grid * 24 + regression::peak_bytes({n_volumes, 0, n_volumes, 0}, {}) + kWriters;
}

} // namespace boldmill::graph
