#include "pipeline/store/self_contained.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace boldmill::store {
namespace {

// Zlib packs at most 1,032 bytes into one. Axes without values of their own take no room in the
// file and are long where edges or voxels are many: these fit the second.
constexpr hsize_t kMostPacked = 1032;
constexpr hsize_t kAlwaysAllowed = hsize_t{64} << 20U;

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

bool is_known(H5Z_filter_t filter) {
  constexpr std::array kKnown{H5Z_FILTER_DEFLATE, H5Z_FILTER_SHUFFLE, H5Z_FILTER_FLETCHER32};
  return std::find(kKnown.begin(), kKnown.end(), filter) != kKnown.end();
}

void check_filters(const File& file, hid_t properties, const std::string& path) {
  for (int i = 0; i < H5Pget_nfilters(properties); ++i) {
    unsigned flags = 0;
    unsigned config = 0;
    std::size_t n_values = 0;
    const H5Z_filter_t filter = H5Pget_filter2(properties, static_cast<unsigned>(i), &flags,
                                               &n_values, nullptr, 0, nullptr, &config);
    if (!is_known(filter)) {
      file.fail(path, "found filter " + std::to_string(filter) + ", expected zlib");
    }
  }
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

} // namespace boldmill::store
