#include "pipeline/store/self_contained.hpp"

#include <isa-l/igzip_lib.h>

#include <string>
#include <vector>

#include "pipeline/store/netcdf.hpp"
#include "pipeline/store/read.hpp"

namespace boldmill::store {
namespace {

// Zlib packs at most 1,032 bytes into one. Axes without values of their own take no room in the
// file and are long where edges or voxels are many: these fit the second.
constexpr hsize_t kMostPacked = 1032;
constexpr hsize_t kAlwaysAllowed = hsize_t{64} << 20U;
constexpr hsize_t kMostChunk = hsize_t{64} << 20U;
constexpr hsize_t kMostChunks = hsize_t{1} << 22U; // 4 TiB in blocks of 1 MiB

struct Refusal {
  std::string object, why;
};

herr_t visit(hid_t group, const char* name, const H5L_info_t* info, void* data) {
  auto& refusal = *static_cast<Refusal*>(data);
  refusal.object = std::string("/") + name;
  if (info->type != H5L_TYPE_HARD) {
    refusal.why = "found a link by path, expected an object of this file";
    return 1;
  }
  H5O_info_t object{};
  if (H5Oget_info_by_name2(group, name, &object, H5O_INFO_BASIC, H5P_DEFAULT) < 0) {
    refusal.why = "cannot be read";
    return 1;
  }
  if (object.rc != 1) {
    refusal.why = "found " + std::to_string(object.rc) + " names for one object, expected 1";
    return 1;
  }
  return 0;
}

// Ours are none, zlib, or shuffle and zlib.
void check_filters(const File& file, hid_t properties, const std::string& path) {
  const int n = H5Pget_nfilters(properties);
  for (int i = 0; i < n; ++i) {
    unsigned flags = 0;
    unsigned config = 0;
    std::size_t n_values = 0;
    const H5Z_filter_t filter = H5Pget_filter2(properties, static_cast<unsigned>(i), &flags,
                                               &n_values, nullptr, 0, nullptr, &config);
    const H5Z_filter_t expected = i == n - 1 ? H5Z_FILTER_DEFLATE : H5Z_FILTER_SHUFFLE;
    if (n > 2 || filter != expected) {
      file.fail(path, "found filter " + std::to_string(filter) + ", expected shuffle and zlib");
    }
  }
}

// Whether a zlib stream holds exactly n bytes, to be put into `room`.
bool unpacks_to(const std::vector<unsigned char>& packed, std::vector<unsigned char>& room) {
  inflate_state state;
  isal_inflate_init(&state);
  state.crc_flag = ISAL_ZLIB;
  state.next_in = const_cast<unsigned char*>(packed.data()); // reads only
  state.avail_in = static_cast<std::uint32_t>(packed.size());
  state.next_out = room.data();
  state.avail_out = static_cast<std::uint32_t>(room.size());
  return isal_inflate_stateless(&state) == ISAL_DECOMP_OK && state.avail_out == 0;
}

// HDF5 1.10 reads beyond the end of a chunk that unpacks to less than its shape.
void check_chunks(const File& file, hid_t dataset, hid_t properties, const std::string& path) {
  const Handle type = file.own(H5Dget_type(dataset), path, "no type");
  const std::vector<hsize_t> shape = shape_of(file, dataset, path);
  std::vector<hsize_t> chunk(shape.size());
  const int rank = static_cast<int>(shape.size());
  if (rank < 1 || H5Pget_chunk(properties, rank, chunk.data()) != rank) {
    file.fail(path, "shape cannot be read");
  }
  std::size_t bytes = H5Tget_size(type.get());
  hsize_t n_chunks = 1;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] == 0) return;
    if (chunk[d] == 0 || bytes > kMostChunk / chunk[d]) {
      file.fail(path, "found chunks beyond 64 MiB, expected 1 MiB");
    }
    bytes *= chunk[d];
    const hsize_t along = (shape[d] - 1) / chunk[d] + 1;
    if (along > kMostChunks / n_chunks) file.fail(path, "absurd shape: too many chunks");
    n_chunks *= along;
  }
  const bool is_packed = H5Pget_nfilters(properties) > 0;
  std::vector<unsigned char> stored, room(bytes);
  for_each_chunk(shape, chunk, [&](const std::vector<hsize_t>& offset) {
    hsize_t size = 0;
    file.check(H5Dget_chunk_storage_size(dataset, offset.data(), &size), path, "no chunk");
    if (size == 0) return; // never written
    if (size > 2 * bytes + 1024) file.fail(path, "found a chunk larger than what it holds");
    stored.resize(size);
    std::uint32_t skipped_filters = 0;
    file.check(H5Dread_chunk(dataset, H5P_DEFAULT, offset.data(), &skipped_filters, stored.data()),
               path, "chunk cannot be read");
    if (skipped_filters != 0 || (is_packed ? !unpacks_to(stored, room) : size != bytes)) {
      file.fail(path, "found a chunk that does not unpack to its shape");
    }
  });
}

void check_properties(const File& file, hid_t dataset, const std::string& path) {
  const Handle properties = file.own(H5Dget_create_plist(dataset), path, "no properties");
  if (H5Pget_external_count(properties.get()) != 0 ||
      H5Pget_layout(properties.get()) == H5D_VIRTUAL) {
    file.fail(path, "found values in other files, expected them in this one");
  }
  check_filters(file, properties.get(), path);
}

} // namespace

void check_links(const File& file) {
  Refusal refusal;
  const herr_t status = H5Lvisit(file.id(), H5_INDEX_NAME, H5_ITER_NATIVE, visit, &refusal);
  if (status > 0) file.fail(refusal.object, refusal.why);
  file.check(status, refusal.object, "links cannot be listed");
}

void check_storage(const File& file, hid_t dataset, const std::string& path) {
  // Only values in one piece in this file have an address: no filter, no other file. Most have it,
  // and the properties cost more than the values.
  if (H5Dget_offset(dataset) == HADDR_UNDEF) check_properties(file, dataset, path);
  const Handle space = file.own(H5Dget_space(dataset), path, "no data space");
  const Handle type = file.own(H5Dget_type(dataset), path, "no type");
  const hssize_t n = H5Sget_simple_extent_npoints(space.get());
  const hsize_t size = H5Tget_size(type.get());
  if (n < 0 || size == 0) file.fail(path, "shape cannot be read");
  const hsize_t most = kAlwaysAllowed + kMostPacked * H5Dget_storage_size(dataset);
  if (static_cast<hsize_t>(n) > most / size) {
    file.fail(path, "absurd shape: found " + std::to_string(n) + " values, the file holds " +
                        std::to_string(H5Dget_storage_size(dataset)) + " bytes of them");
  }
}

void check_content(const File& file, hid_t dataset, const std::string& path) {
  if (H5Dget_offset(dataset) != HADDR_UNDEF || file.checked().contains(path)) return;
  const Handle properties = file.own(H5Dget_create_plist(dataset), path, "no properties");
  if (H5Pget_layout(properties.get()) == H5D_CHUNKED) {
    check_chunks(file, dataset, properties.get(), path);
  }
  file.checked().insert(path); // not when it threw: whoever asks again is refused again
}

} // namespace boldmill::store
