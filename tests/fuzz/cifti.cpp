#include "pipeline/image_io/cifti.hpp"

#include <cstdlib>

#include "tests/fuzz/harness.hpp"

namespace boldmill::fuzz {

std::vector<std::string> seeds() {
  std::vector<std::string> all;
  const std::filesystem::path folder = BOLDMILL_SOURCE_DIR "/tests/reference/cifti";
  for (const char* name :
       {"series.dtseries.nii", "int16.dtseries.nii", "parcels.ptseries.nii", "atlas.dlabel.nii"}) {
    const bool is_parcels = std::string_view(name).starts_with("parcels");
    const char kind = is_parcels ? 'p' : std::string_view(name).starts_with("atlas") ? 'l' : 's';
    all.push_back(kind + file_bytes(folder / name));
  }
  return all;
}

// The first byte says what the name ends with, which says what is inside.
void execute(std::span<const std::uint8_t> bytes) {
  if (bytes.empty()) return;
  const char* name = bytes[0] == 'p'   ? "x.ptseries.nii"
                     : bytes[0] == 'l' ? "x.dlabel.nii"
                                       : "x.dtseries.nii";
  const auto path = as_file(bytes.subspan(1), name);
  switch (image_io::cifti_kind(path)) {
  case image_io::CiftiKind::none: std::abort(); // nothing would be read
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
