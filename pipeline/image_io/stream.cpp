#include "pipeline/image_io/stream.hpp"

#include <tbb/parallel_pipeline.h>
#include <tbb/task_arena.h>

#include <algorithm>

#include "pipeline/image_io/nifti_header.hpp"
#include "stages/core/error.hpp"

namespace boldmill::image_io {
namespace {

// Deals out the blocks in file order.
class Blocks {
public:
  explicit Blocks(OpenImage& image)
      : image_(image),
        ring_(kRingSlots,
              std::vector<std::byte>(block_voxels(image.header) *
                                     static_cast<std::size_t>(image.header.bytes_per_voxel))) {}

  bool next(RawBlock& block) {
    const NiftiHeader& header = image_.header;
    const std::size_t n_voxels = header.grid.n_voxels();
    if (begin_ == n_voxels) {
      begin_ = 0;
      ++volume_;
    }
    if (volume_ == header.n_volumes) return false;
    block.volume = volume_;
    block.begin = begin_;
    block.n = std::min(block_voxels(header), n_voxels - begin_);
    block.slot = counter_++ % kRingSlots;
    const std::span<std::byte> bytes =
        std::span(ring_[block.slot])
            .first(block.n * static_cast<std::size_t>(header.bytes_per_voxel));
    const std::size_t got = image_.source.read(bytes);
    delivered_ += got;
    if (got < bytes.size()) {
      throw Error(ErrorKind::input, image_.name + ": truncated: " + std::to_string(delivered_) +
                                        " bytes of voxels, expected " +
                                        std::to_string(header.data_bytes()));
    }
    block.bytes = bytes;
    begin_ += block.n;
    return true;
  }

private:
  OpenImage& image_;
  std::vector<std::vector<std::byte>> ring_;
  std::size_t counter_ = 0;
  int volume_ = 0;
  std::size_t begin_ = 0;
  std::uint64_t delivered_ = 0;
};

} // namespace

OpenImage open_image(const std::filesystem::path& path) {
  const std::string extension = path.extension().string();
  if (extension == ".hdr" || extension == ".img") {
    throw Error(ErrorKind::input, path.string() + ": detached " + extension +
                                      " files are not read; expected a single .nii or .nii.gz");
  }
  ByteSource source(path);
  std::vector<std::byte> head(kNifti2HeaderBytes);
  std::size_t got = source.read(std::span(head).first(kNifti1HeaderBytes));
  const bool version2 = got == kNifti1HeaderBytes &&
                        (head[0] == std::byte{0x1c} || head[3] == std::byte{0x1c}); // 540 = 0x021c
  if (version2) got += source.read(std::span(head).subspan(kNifti1HeaderBytes));
  const RawHeader raw = decode(std::span(head).first(got), path.string());
  NiftiHeader header = check_header(raw, {path.string(), source.is_gzip(), source.file_bytes()});
  if (source.is_gzip() != (extension == ".gz")) {
    header.notes.push_back(source.is_gzip() ? "compressed, although the name does not end in .gz"
                                            : "not compressed, although the name ends in .gz");
  }
  // Skip extensions in pieces: the offset is a number from the file.
  std::vector<std::byte> scrap(64 * 1024);
  for (std::uint64_t left = header.data_offset - std::min<std::uint64_t>(got, header.data_offset);
       left > 0;) {
    const auto piece = static_cast<std::size_t>(std::min<std::uint64_t>(left, scrap.size()));
    const std::size_t skipped = source.read(std::span(scrap).first(piece));
    if (skipped == 0) {
      throw Error(ErrorKind::input, path.string() +
                                        ": truncated: ends before the first voxel at byte " +
                                        std::to_string(header.data_offset));
    }
    left -= skipped;
  }
  return {std::move(header), std::move(source), path.string()};
}

std::size_t block_voxels(const NiftiHeader& header) {
  return std::min(header.grid.n_voxels(),
                  kBlockBytes / static_cast<std::size_t>(header.bytes_per_voxel));
}

void stream(OpenImage& image, const Context& context,
            const std::function<void(const RawBlock&)>& convert,
            const std::function<void(const RawBlock&)>& consume) {
  Blocks blocks(image);
  // The ring is safe because tokens retire in order: the block that had this slot is gone when
  // kRingSlots tokens at most are alive.
  tbb::this_task_arena::isolate([&] {
    tbb::parallel_pipeline(
        kRingSlots,
        tbb::make_filter<void, RawBlock>(tbb::filter_mode::serial_in_order,
                                         [&](tbb::flow_control& control) {
                                           context.check_stop();
                                           RawBlock block;
                                           if (!blocks.next(block)) control.stop();
                                           return block;
                                         }) &
            tbb::make_filter<RawBlock, RawBlock>(tbb::filter_mode::parallel,
                                                 [&](const RawBlock& block) {
                                                   convert(block);
                                                   return block;
                                                 }) &
            tbb::make_filter<RawBlock, void>(tbb::filter_mode::serial_in_order,
                                             [&](const RawBlock& block) { consume(block); }));
  });
  const std::uint64_t extra = image.source.drain();
  if (extra > 0 && image.header.is_gzip) {
    image.header.notes.push_back(std::to_string(extra) + " bytes after the last voxel");
  }
}

} // namespace boldmill::image_io
