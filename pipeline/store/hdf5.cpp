#include "pipeline/store/hdf5.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <new>

#include "pipeline/store/seal.hpp"
#include "pipeline/store/shard.hpp"
#include "stages/core/part_name.hpp"

namespace boldmill::store {
namespace {

herr_t keep_first(unsigned, const H5E_error2_t* error, void* text) {
  auto& out = *static_cast<std::string*>(text);
  if (out.empty() && error->desc != nullptr) out = error->desc;
  return 0;
}

std::string innermost_error() {
  std::string text;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, &text);
  H5Eclear2(H5E_DEFAULT);
  return text;
}

hid_t create(const std::filesystem::path& path, hid_t access) {
  const Handle properties(H5Pcreate(H5P_FILE_CREATE));
  H5Pset_obj_track_times(properties.get(), false);
  H5Pset_link_creation_order(properties.get(), H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
  H5Pset_attr_creation_order(properties.get(), H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
  return H5Fcreate(path.c_str(), H5F_ACC_TRUNC, properties.get(), access);
}

void sync(const std::filesystem::path& path, int flags) {
  const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC);
  const int synced = descriptor < 0 ? -1 : ::fsync(descriptor);
  const int error = errno;
  if (descriptor >= 0) ::close(descriptor);
  // EINVAL: a file system on which a directory cannot be synced.
  if (synced != 0 && !(error == EINVAL && descriptor >= 0)) {
    throw Error(ErrorKind::disk, path.string() + ": cannot be synced: " + std::strerror(error));
  }
}

} // namespace

// A fork waits until nobody is inside HDF5. The child has one thread and no use for the state of a
// mutex that counts the threads of its parent.
std::recursive_mutex& hdf5_mutex() {
  alignas(std::recursive_mutex) static std::array<std::byte, sizeof(std::recursive_mutex)> room;
  static auto* const mutex = [] {
    auto* made = new (room.data()) std::recursive_mutex;
    ::pthread_atfork([] { hdf5_mutex().lock(); }, [] { hdf5_mutex().unlock(); },
                     [] { new (room.data()) std::recursive_mutex; });
    return made;
  }();
  return *mutex;
}

Hdf5Lock::Hdf5Lock() : guard_(hdf5_mutex()) {
  // No clean-up at exit: every file is closed by its owner, and after a damaged file it would loop.
  [[maybe_unused]] static const herr_t once = H5dont_atexit();
  H5Eget_auto2(H5E_DEFAULT, &print_, &print_data_);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

Hdf5Lock::~Hdf5Lock() { H5Eset_auto2(H5E_DEFAULT, print_, print_data_); }

File::File(std::filesystem::path path, Mode mode)
    : path_(std::move(path)), writing_(mode != Mode::read), disk_(std::make_unique<DiskState>()) {
  if (!writing_) check_seal(path_);
  const Handle access(H5Pcreate(H5P_FILE_ACCESS));
  H5Pset_fclose_degree(access.get(), H5F_CLOSE_STRONG);
  H5Pset_libver_bounds(access.get(), H5F_LIBVER_V18, H5F_LIBVER_V18);
  use_disk_driver(access.get(), disk_.get());
  if (mode == Mode::create) {
    id_ = create(path_, access.get());
  } else {
    id_ = H5Fopen(path_.c_str(), writing_ ? H5F_ACC_RDWR : H5F_ACC_RDONLY, access.get());
  }
  if (id_ >= 0) return;
  if (disk_->open_error != 0) {
    throw Error(writing_ ? ErrorKind::disk : ErrorKind::input,
                path_.string() + ": cannot be opened: " + std::strerror(disk_->open_error));
  }
  fail("", writing_ ? "cannot be created" : "not a readable HDF5 file, expected one of boldmill's");
}

File::~File() {
  if (id_ >= 0) H5Fclose(id_);
}

void File::close() {
  const herr_t status = H5Fclose(std::exchange(id_, -1));
  check(status, "", "cannot be closed");
}

void File::fail(const std::string& object, const std::string& what) const {
  std::string message = path_.string() + ": ";
  if (!object.empty()) message += object + ": ";
  const std::string detail = innermost_error();
  if (writing_ && disk_->error != 0) {
    throw Error(ErrorKind::disk, message + "cannot be written: " + std::strerror(disk_->error));
  }
  message += what;
  if (disk_->error != 0) message += std::string(": ") + std::strerror(disk_->error);
  if (!detail.empty()) message += " (HDF5: " + detail + ")";
  throw Error(writing_ ? ErrorKind::internal : ErrorKind::input, message);
}

void File::check(herr_t status, const std::string& object, const std::string& what) const {
  if (status < 0 || disk_->error != 0) fail(object, what);
}

Handle File::own(hid_t id, const std::string& object, const std::string& what) const {
  Handle handle(id);
  if (!handle.valid()) fail(object, what);
  return handle;
}

void publish(const std::filesystem::path& part, const std::filesystem::path& path) {
  seal(part);
  sync(part, O_RDWR);
  if (::rename(part.c_str(), path.c_str()) != 0) {
    throw Error(ErrorKind::disk, path.string() + ": cannot be renamed from " +
                                     part.filename().string() + ": " + std::strerror(errno));
  }
  const std::filesystem::path parent = path.parent_path();
  sync(parent.empty() ? "." : parent, O_RDONLY | O_DIRECTORY);
}

PartFile::PartFile(const std::filesystem::path& path) : path_(path), part_(path) {
  part_ += part_suffix();
  std::error_code error;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), error);
  if (error) {
    throw Error(ErrorKind::disk,
                path.parent_path().string() + ": folder cannot be made: " + error.message());
  }
}

PartFile::~PartFile() {
  std::error_code ignored; // the part file is already gone when it was published
  std::filesystem::remove(part_, ignored);
}

void PartFile::publish() { store::publish(part_, path_); }

} // namespace boldmill::store
