// An HDF5 file that is whole for HDF5 and wrong for us: edits of its content, decoded from bytes.
// Flipped bytes of a file rarely come further than the library's own checks; these do.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace boldmill::fuzz {

class EditableFile {
public:
  explicit EditableFile(
      const std::filesystem::path& path); // taken without its seal, as who edits a file leaves it

  // Four bytes an edit (object, what, place, value), sixteen at most: values overwritten by extreme
  // ones, other shapes and types, objects and attributes gone or renamed, links in circles and out
  // of the file.
  [[nodiscard]] std::filesystem::path edited(std::span<const std::uint8_t> edits) const;

private:
  std::string image_;
  std::vector<std::string> objects_;
};

} // namespace boldmill::fuzz
