#include "pipeline/image_io/itk_transform.hpp"

#include "tests/fuzz/harness.hpp"

namespace boldmill::fuzz {

std::vector<std::string> seeds() {
  const std::filesystem::path folder = BOLDMILL_SOURCE_DIR "/tests/reference/itk_transform";
  return {"t" + file_bytes(folder / "affine.txt"), "t" + file_bytes(folder / "euler.txt"),
          "w" + file_bytes(folder / "warp.nii.gz"), "h" + file_bytes(folder / "composite.h5")};
}

void execute(std::span<const std::uint8_t> bytes) {
  if (bytes.empty()) return;
  if (bytes[0] == 't') {
    static_cast<void>(image_io::read_affine_xfms(as_file(bytes.subspan(1), "x.txt")));
  } else {
    static_cast<void>(
        image_io::read_xfm(as_file(bytes.subspan(1), bytes[0] == 'h' ? "x.h5" : "x.nii.gz")));
  }
}

} // namespace boldmill::fuzz
