// Where things go in the simulated dataset.
#pragma once

#include <filesystem>
#include <string>

namespace boldmill::simulate {

struct Names {
  std::filesystem::path root;
  std::string subject; // "sub-001"
  std::string session; // "" or "ses-1"

  [[nodiscard]] std::string stem() const {
    return session.empty() ? subject : subject + "_" + session;
  }
  // "sub-001/ses-1/func" relative to the dataset
  [[nodiscard]] std::filesystem::path folder(const std::string& datatype) const {
    std::filesystem::path path = subject;
    if (!session.empty()) path /= session;
    return path / datatype;
  }
  [[nodiscard]] std::filesystem::path raw(const std::string& datatype,
                                          const std::string& rest) const {
    return root / folder(datatype) / (stem() + "_" + rest);
  }
  [[nodiscard]] std::filesystem::path truth(const std::string& rest) const {
    std::filesystem::path path = root / "sourcedata" / "truth" / subject;
    if (!session.empty()) path /= session;
    return path / (stem() + "_" + rest);
  }
};

} // namespace boldmill::simulate
