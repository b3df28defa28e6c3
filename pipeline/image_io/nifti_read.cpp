#include <algorithm>
#include <atomic>
#include <cmath>
#include <string>
#include <utility>

#include "pipeline/image_io/convert.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "pipeline/image_io/stream.hpp"
#include "stages/core/error.hpp"

namespace boldmill::image_io {
namespace {

void require_one_volume(const OpenImage& image) {
  if (image.header.n_volumes == 1) return;
  throw Error(ErrorKind::input, image.name + ": " + std::to_string(image.header.n_volumes) +
                                    " volumes, expected one");
}

OpenImage open_series(const std::filesystem::path& path) {
  OpenImage image = open_image(path);
  if (image.header.n_dims < 4) {
    throw Error(ErrorKind::input, image.name + ": " + std::to_string(image.header.n_dims) +
                                      " dimensions, expected a series of four");
  }
  return image;
}

// A small file may claim a large image within the ratio of gzip. Before a large allocation the
// length in the gzip trailer is compared; when it differs (also for files of several members) the
// data are counted once.
void confirm_size(const std::filesystem::path& path, const NiftiHeader& header) {
  constexpr std::uint64_t kLarge = 64U << 20U;
  if (!header.is_gzip || header.data_bytes() < kLarge) return;
  const std::uint64_t needed = header.data_offset + header.data_bytes();
  if (gzip_trailer_length(path) == static_cast<std::uint32_t>(needed)) return;
  const std::uint64_t held = ByteSource(path).drain();
  if (held < needed) {
    throw Error(ErrorKind::input, path.string() + ": truncated: " + std::to_string(held) +
                                      " bytes, expected " + std::to_string(needed));
  }
}

ReadReport finish(OpenImage& image, std::uint64_t n_nonfinite, const ReadOptions& options) {
  ReadReport report;
  if (n_nonfinite > 0) {
    image.header.notes.push_back(std::to_string(n_nonfinite) + " voxels are NaN or infinite" +
                                 (options.nonfinite_to_zero ? ", set to 0" : ""));
  }
  report.header = std::move(image.header);
  report.n_nonfinite = n_nonfinite;
  if (options.report != nullptr) *options.report = report;
  return report;
}

// All voxels as float into `out`, which has room for them.
void read_floats(OpenImage& image, const Context& context, const ReadOptions& options, float* out) {
  const std::size_t n_voxels = image.header.grid.n_voxels();
  const bool check = may_be_nonfinite(image.header);
  std::atomic<std::uint64_t> n_nonfinite{0};
  stream(
      image, context,
      [&](const RawBlock& block) {
        const std::span<float> values(
            out + static_cast<std::size_t>(block.volume) * n_voxels + block.begin, block.n);
        convert(image.header, block.bytes, values);
        if (check) n_nonfinite += handle_nonfinite(values, options.nonfinite_to_zero);
      },
      [](const RawBlock&) {});
  finish(image, n_nonfinite, options);
}

ReadReport stream_floats(OpenImage& image, const Context& context,
                         const std::function<void(const SeriesBlock&)>& consumer,
                         const ReadOptions& options) {
  std::vector<std::vector<float>> ring(kRingSlots, std::vector<float>(block_voxels(image.header)));
  const bool check = may_be_nonfinite(image.header);
  std::atomic<std::uint64_t> n_nonfinite{0};
  stream(
      image, context,
      [&](const RawBlock& block) {
        const std::span<float> values = std::span(ring[block.slot]).first(block.n);
        convert(image.header, block.bytes, values);
        if (check) n_nonfinite += handle_nonfinite(values, options.nonfinite_to_zero);
      },
      [&](const RawBlock& block) {
        consumer({block.volume, block.begin, std::span(ring[block.slot]).first(block.n)});
      });
  return finish(image, n_nonfinite, options);
}

} // namespace

NiftiHeader read_header(const std::filesystem::path& path) { return open_image(path).header; }

Volume read_volume(const std::filesystem::path& path, const ReadOptions& options) {
  OpenImage image = open_image(path);
  require_one_volume(image);
  confirm_size(path, image.header);
  Volume volume(image.header.grid);
  read_floats(image, Context{}, options, volume.data.data());
  return volume;
}

Series read_series(const std::filesystem::path& path, const Context& context,
                   const ReadOptions& options) {
  OpenImage image = open_series(path);
  confirm_size(path, image.header);
  Series series;
  series.grid = image.header.grid;
  series.n_volumes = image.header.n_volumes;
  series.tr_s = image.header.tr_s;
  series.data.resize(series.grid.n_voxels() * static_cast<std::size_t>(series.n_volumes));
  read_floats(image, context, options, series.data.data());
  return series;
}

Mask read_mask(const std::filesystem::path& path, const ReadOptions& options) {
  const Volume volume = read_volume(path, options);
  Mask mask(volume.grid);
  for (std::size_t i = 0; i < volume.data.size(); ++i) {
    mask.data[i] = volume.data[i] != 0.0F && !std::isnan(volume.data[i]) ? 1 : 0;
  }
  return mask;
}

LabelImage read_labels(const std::filesystem::path& path, const ReadOptions& options) {
  OpenImage image = open_image(path);
  require_one_volume(image);
  confirm_size(path, image.header);
  LabelImage labels(image.header.grid);
  std::vector<std::vector<double>> ring(kRingSlots,
                                        std::vector<double>(block_voxels(image.header)));
  // Double, because float does not hold all labels above 2^24.
  stream(
      image, Context{},
      [&](const RawBlock& block) {
        convert(image.header, block.bytes, std::span(ring[block.slot]).first(block.n));
      },
      [&](const RawBlock& block) {
        for (std::size_t i = 0; i < block.n; ++i) {
          const double value = ring[block.slot][i];
          const double whole = std::nearbyint(value);
          if (!(std::abs(value - whole) <= 1e-3 && std::abs(whole) <= 2147483647.0)) {
            const auto at = image.header.grid.coordinates(block.begin + i);
            throw Error(ErrorKind::input, image.name + ": label " + std::to_string(value) +
                                              " at voxel (" + std::to_string(at[0]) + ", " +
                                              std::to_string(at[1]) + ", " + std::to_string(at[2]) +
                                              "), expected whole numbers within 32 bits");
          }
          labels.data[block.begin + i] = static_cast<std::int32_t>(whole);
        }
      });
  finish(image, 0, options);
  return labels;
}

ReadReport for_each_block(const std::filesystem::path& path, const Context& context,
                          const std::function<void(const SeriesBlock&)>& consumer,
                          const ReadOptions& options) {
  OpenImage image = open_series(path);
  return stream_floats(image, context, consumer, options);
}

ReadReport for_each_volume(const std::filesystem::path& path, const Context& context,
                           const std::function<void(int, std::span<const float>)>& consumer,
                           const ReadOptions& options) {
  OpenImage image = open_series(path);
  confirm_size(path, image.header);
  std::vector<float> volume(image.header.grid.n_voxels());
  const auto collect = [&](const SeriesBlock& block) {
    std::copy(block.values.begin(), block.values.end(),
              volume.begin() + static_cast<std::ptrdiff_t>(block.begin));
    if (block.begin + block.values.size() == volume.size()) consumer(block.volume, volume);
  };
  return stream_floats(image, context, collect, options);
}

} // namespace boldmill::image_io
