#include "pipeline/image_io/nifti.hpp"

#include "tests/fuzz/harness.hpp"

namespace boldmill::fuzz {

std::vector<std::string> seeds() {
  std::vector<std::string> all;
  Volume volume;
  volume.grid.shape = {3, 4, 5};
  volume.data.assign(60, 2.0F);
  Series series;
  series.grid = volume.grid;
  series.n_volumes = 3;
  series.tr_s = 2.0;
  series.data.assign(180, -2.0F);
  for (const auto type : {image_io::StoredType::float32, image_io::StoredType::int16}) {
    const auto path = as_file({}, "seed.nii");
    image_io::write_volume(path, volume, {.type = type, .slope = 1.0});
    all.push_back("n" + file_bytes(path));
    image_io::write_series(path, series, {.type = type, .slope = 1.0});
    all.push_back("n" + file_bytes(path));
    const auto packed = as_file({}, "seed.nii.gz");
    image_io::write_series(packed, series, {.type = type, .slope = 1.0});
    all.push_back("g" + file_bytes(packed));
  }
  return all;
}

// The first byte says whether the name ends with .gz.
void execute(std::span<const std::uint8_t> bytes) {
  if (bytes.empty()) return;
  const auto path = as_file(bytes.subspan(1), bytes[0] == 'g' ? "x.nii.gz" : "x.nii");
  const auto header = image_io::read_header(path);
  if (header.n_volumes == 1) {
    static_cast<void>(image_io::read_volume(path));
    static_cast<void>(image_io::read_labels(path));
  } else {
    static_cast<void>(image_io::for_each_block(path, {}, [](const image_io::SeriesBlock&) {}));
  }
}

} // namespace boldmill::fuzz
