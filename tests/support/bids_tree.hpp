// A throw-away folder in which a test builds a small BIDS tree. Removed with all its content.
#pragma once

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>

#include <unistd.h>

namespace boldmill::test {

class BidsTree {
public:
  BidsTree() {
    std::string name = (std::filesystem::temp_directory_path() / "boldmill-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    root_ = name;
  }
  ~BidsTree() {
    std::error_code code;
    std::filesystem::permissions(root_, std::filesystem::perms::owner_all, code);
    std::filesystem::remove_all(root_, code);
  }
  BidsTree(const BidsTree&) = delete;
  BidsTree& operator=(const BidsTree&) = delete;

  [[nodiscard]] const std::filesystem::path& root() const { return root_; }
  [[nodiscard]] std::filesystem::path path(std::string_view relative) const {
    return root_ / relative;
  }

  BidsTree& file(std::string_view relative, std::string_view text = "x") {
    std::filesystem::create_directories(path(relative).parent_path());
    std::ofstream out(path(relative), std::ios::binary);
    out.write(text.data(), static_cast<std::streamsize>(text.size()));
    if (!out.flush()) throw std::runtime_error("cannot write a test file");
    return *this;
  }
  BidsTree& folder(std::string_view relative) {
    std::filesystem::create_directories(path(relative));
    return *this;
  }
  BidsTree& link(std::string_view relative, const std::filesystem::path& target) {
    std::filesystem::create_directories(path(relative).parent_path());
    std::filesystem::create_symlink(target, path(relative));
    return *this;
  }
  // dataset_description.json and participants.tsv.
  BidsTree& header(std::string_view participants) {
    file("dataset_description.json", R"({"Name": "test", "BIDSVersion": "1.8.0"})");
    return file("participants.tsv", participants);
  }
  // A T1w, and one run of each task named, with sidecar. The images are not valid NIfTI.
  BidsTree& person(const std::string& sub, const std::string& ses = {},
                   const std::string& task = "rest") {
    const std::string folder = ses.empty() ? sub : sub + "/" + ses;
    const std::string stem = ses.empty() ? sub : sub + "_" + ses;
    file(folder + "/anat/" + stem + "_T1w.nii.gz");
    file(folder + "/func/" + stem + "_task-" + task + "_bold.nii.gz");
    return file(folder + "/func/" + stem + "_task-" + task + "_bold.json",
                R"({"RepetitionTime": 2.0})");
  }

private:
  std::filesystem::path root_;
};

} // namespace boldmill::test
