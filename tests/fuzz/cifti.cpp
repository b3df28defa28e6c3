#include "pipeline/image_io/cifti.hpp"

#include "tests/fuzz/harness.hpp"

namespace boldmill::fuzz {

std::vector<std::string> seeds() {
  std::vector<std::string> all;
  const std::filesystem::path folder = BOLDMILL_SOURCE_DIR "/tests/reference/cifti";
  for (const char* name : {"series.dtseries.nii", "parcels.ptseries.nii", "atlas.dlabel.nii"}) {
    all.push_back(file_bytes(folder / name));
  }
  return all;
}

void execute(std::span<const std::uint8_t> bytes) {
  const auto path = as_file(bytes, "x.nii");
  switch (image_io::cifti_kind(path)) {
  case image_io::CiftiKind::none: break;
  case image_io::CiftiKind::dense_series:
    static_cast<void>(image_io::read_dense_shape(path));
    static_cast<void>(image_io::read_dense_series(path, {}));
    break;
  case image_io::CiftiKind::parcel_series:
    static_cast<void>(image_io::read_parcel_series(path, {}));
    break;
  case image_io::CiftiKind::dense_labels:
    static_cast<void>(image_io::read_dense_labels(path));
    break;
  }
}

} // namespace boldmill::fuzz
