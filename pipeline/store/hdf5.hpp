// HDF5 handles, files and errors. Internal to this folder, but for hdf5_mutex().
#pragma once

#include <hdf5.h>

#include <filesystem>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "pipeline/store/disk_driver.hpp"
#include "stages/core/error.hpp"

namespace boldmill::store {

// The library is the serial build and not thread-safe. Whoever else calls HDF5 in this process (ITK
// reading a transform) must hold this mutex while doing so.
[[nodiscard]] std::recursive_mutex& hdf5_mutex();

// Held by every public function of this folder: takes the mutex, and keeps HDF5 from printing.
class Hdf5Lock {
public:
  Hdf5Lock();
  ~Hdf5Lock();
  Hdf5Lock(const Hdf5Lock&) = delete;
  Hdf5Lock& operator=(const Hdf5Lock&) = delete;

private:
  std::lock_guard<std::recursive_mutex> guard_;
  H5E_auto2_t print_ = nullptr;
  void* print_data_ = nullptr;
};

// Owns one identifier of any kind.
class Handle {
public:
  Handle() = default;
  explicit Handle(hid_t id) : id_(id) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    return *this;
  }
  ~Handle() {
    if (id_ >= 0) H5Idec_ref(id_);
  }
  [[nodiscard]] hid_t get() const { return id_; }
  [[nodiscard]] bool valid() const { return id_ >= 0; }

private:
  hid_t id_ = -1;
};

class File {
public:
  enum class Mode { read, create, modify };
  File(std::filesystem::path path, Mode mode);
  ~File(); // closes without looking
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  // Throws Error{disk} when anything did not reach the file system. Every other handle must be
  // gone.
  void close();
  [[nodiscard]] hid_t id() const { return id_; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] bool writing() const { return writing_; }
  // Paths of the datasets whose content was checked.
  [[nodiscard]] std::set<std::string>& checked() const { return checked_; }

  // disk when a write failed, input when reading, internal otherwise; names file and object.
  [[noreturn]] void fail(const std::string& object, const std::string& what) const;
  // Throws when `status` is negative or the disk has failed.
  void check(herr_t status, const std::string& object, const std::string& what) const;
  [[nodiscard]] Handle own(hid_t id, const std::string& object, const std::string& what) const;

private:
  std::filesystem::path path_;
  bool writing_ = false;
  mutable std::set<std::string> checked_;
  std::unique_ptr<DiskState> disk_;
  hid_t id_ = -1;
};

// A part file that goes away unless it is published. Name: "<path>.part-<pid>-<n>".
class PartFile {
public:
  explicit PartFile(const std::filesystem::path& path);
  ~PartFile();
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;
  [[nodiscard]] const std::filesystem::path& part() const { return part_; }
  void publish();

private:
  std::filesystem::path path_, part_;
};

} // namespace boldmill::store
