#include "pipeline/store/disk_driver.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

namespace boldmill::store {
namespace {

struct DriverInfo { // what the property list carries
  DiskState* state;
};

struct DiskFile : H5FD_t { // HDF5 fills the base
  int descriptor = -1;
  DiskState* state = nullptr;
  haddr_t eoa = 0; // end of what HDF5 has allocated
  haddr_t eof = 0; // end of what was written
  dev_t device = 0;
  ino_t inode = 0;

  void failed(int error) const {
    if (state->error == 0) state->error = error == 0 ? EIO : error;
  }
};

DiskFile* cast(H5FD_t* file) { return static_cast<DiskFile*>(file); }
const DiskFile* cast(const H5FD_t* file) { return static_cast<const DiskFile*>(file); }

H5FD_t* driver_open(const char* name, unsigned flags, hid_t access, haddr_t) {
  const auto* info = static_cast<const DriverInfo*>(H5Pget_driver_info(access));
  if (info == nullptr) return nullptr;
  auto file = std::make_unique<DiskFile>();
  file->state = info->state;
  int mode = (flags & H5F_ACC_RDWR) != 0 ? O_RDWR : O_RDONLY;
  if ((flags & H5F_ACC_TRUNC) != 0) mode |= O_TRUNC;
  if ((flags & H5F_ACC_CREAT) != 0) mode |= O_CREAT;
  file->descriptor = ::open(name, mode | O_CLOEXEC, 0666);
  struct stat status {};
  if (file->descriptor < 0 || ::fstat(file->descriptor, &status) != 0) {
    file->state->open_error = errno;
    if (file->descriptor >= 0) ::close(file->descriptor);
    return nullptr;
  }
  file->eof = static_cast<haddr_t>(status.st_size);
  file->device = status.st_dev;
  file->inode = status.st_ino;
  return file.release();
}

herr_t driver_close(H5FD_t* base) {
  const std::unique_ptr<DiskFile> file(cast(base));
  if (::close(file->descriptor) != 0) file->failed(errno);
  return 0;
}

int driver_compare(const H5FD_t* a, const H5FD_t* b) {
  const DiskFile* first = cast(a);
  const DiskFile* second = cast(b);
  if (first->device != second->device) return first->device < second->device ? -1 : 1;
  if (first->inode != second->inode) return first->inode < second->inode ? -1 : 1;
  return 0;
}

herr_t driver_query(const H5FD_t*, unsigned long* flags) {
  *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
           H5FD_FEAT_AGGREGATE_SMALLDATA | H5FD_FEAT_DEFAULT_VFD_COMPATIBLE;
  return 0;
}

haddr_t driver_get_eoa(const H5FD_t* file, H5FD_mem_t) { return cast(file)->eoa; }

herr_t driver_set_eoa(H5FD_t* file, H5FD_mem_t, haddr_t address) {
  cast(file)->eoa = address;
  return 0;
}

haddr_t driver_get_eof(const H5FD_t* file, H5FD_mem_t) { return cast(file)->eof; }

// Bytes beyond the end, and everything after a failed write, read as zero.
herr_t driver_read(H5FD_t* base, H5FD_mem_t, hid_t, haddr_t address, std::size_t size,
                   void* buffer) {
  DiskFile* file = cast(base);
  auto* out = static_cast<unsigned char*>(buffer);
  while (size > 0) {
    const ssize_t n = ::pread(file->descriptor, out, size, static_cast<off_t>(address));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) file->failed(errno);
    if (n <= 0) {
      std::memset(out, 0, size);
      return 0;
    }
    out += n;
    address += static_cast<haddr_t>(n);
    size -= static_cast<std::size_t>(n);
  }
  return 0;
}

herr_t driver_write(H5FD_t* base, H5FD_mem_t, hid_t, haddr_t address, std::size_t size,
                    const void* buffer) {
  DiskFile* file = cast(base);
  file->eof = std::max(file->eof, address + size);
  if (file->state->error != 0) return 0;
  const auto* in = static_cast<const unsigned char*>(buffer);
  while (size > 0) {
    const ssize_t n = ::pwrite(file->descriptor, in, size, static_cast<off_t>(address));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      file->failed(n == 0 ? ENOSPC : errno);
      return 0;
    }
    in += n;
    address += static_cast<haddr_t>(n);
    size -= static_cast<std::size_t>(n);
  }
  return 0;
}

herr_t driver_truncate(H5FD_t* base, hid_t, hbool_t) {
  DiskFile* file = cast(base);
  if (file->eoa == file->eof) return 0;
  file->eof = file->eoa;
  if (file->state->error == 0 &&
      ::ftruncate(file->descriptor, static_cast<off_t>(file->eoa)) != 0) {
    file->failed(errno);
  }
  return 0;
}

H5FD_class_t disk_class() {
  H5FD_class_t driver{};
  driver.name = "boldmill_disk";
  driver.maxaddr = (haddr_t{1} << 62) - 1;
  driver.fc_degree = H5F_CLOSE_STRONG;
  driver.fapl_size = sizeof(DriverInfo);
  driver.open = driver_open;
  driver.close = driver_close;
  driver.cmp = driver_compare;
  driver.query = driver_query;
  driver.get_eoa = driver_get_eoa;
  driver.set_eoa = driver_set_eoa;
  driver.get_eof = driver_get_eof;
  driver.read = driver_read;
  driver.write = driver_write;
  driver.truncate = driver_truncate;
  const H5FD_mem_t map[H5FD_MEM_NTYPES] = H5FD_FLMAP_DICHOTOMY;
  std::copy(std::begin(map), std::end(map), std::begin(driver.fl_map));
  return driver;
}

} // namespace

herr_t use_disk_driver(hid_t access_properties, DiskState* state) {
  static const H5FD_class_t driver = disk_class();
  static const hid_t id = H5FDregister(&driver);
  const DriverInfo info{state};
  return id < 0 ? -1 : H5Pset_driver(access_properties, id, &info);
}

} // namespace boldmill::store
