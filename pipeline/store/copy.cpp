#include "pipeline/store/copy.hpp"

#include <hdf5_hl.h>

#include <algorithm>
#include <array>
#include <map>

#include "pipeline/store/read.hpp"
#include "pipeline/store/self_contained.hpp"
#include "pipeline/store/shard.hpp"

namespace boldmill::store {
namespace {

Values::Type number_type(const File& file, hid_t dataset, const std::string& path) {
  const Handle type = file.own(H5Dget_type(dataset), path, "no type");
  const std::pair<hid_t, Values::Type> known[] = {{H5T_IEEE_F64LE, Values::Type::float64},
                                                  {H5T_IEEE_F32LE, Values::Type::float32},
                                                  {H5T_STD_I32LE, Values::Type::int32},
                                                  {H5T_STD_I64LE, Values::Type::int64},
                                                  {H5T_STD_U8LE, Values::Type::uint8}};
  for (const auto& [id, number] : known) {
    if (H5Tequal(type.get(), id) > 0) return number;
  }
  file.fail(path, "unexpected type of numbers");
}

struct AttributeCopy {
  const File* source;
  const Group* destination;
  hid_t object;
  std::string path;
};

herr_t copy_attribute(hid_t from, const char* name, const H5A_info_t*, void* data) {
  const auto& copy = *static_cast<const AttributeCopy*>(data);
  const std::array<std::string, 4> scales{"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST"};
  if (std::find(scales.begin(), scales.end(), name) != scales.end()) return 0;
  if (H5Aexists(copy.object, name) > 0) return 0; // long_name
  const Handle attribute(H5Aopen(from, name, H5P_DEFAULT));
  const Handle type(H5Aget_type(attribute.get()));
  const Handle space(H5Aget_space(attribute.get()));
  const auto n =
      static_cast<std::size_t>(std::max<hssize_t>(H5Sget_simple_extent_npoints(space.get()), 0));
  std::vector<char> value(std::max<std::size_t>(n * H5Tget_size(type.get()), 1));
  if (H5Aread(attribute.get(), type.get(), value.data()) < 0) return -1;
  const Handle out(
      H5Acreate2(copy.object, name, type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT));
  const herr_t status = H5Awrite(out.get(), type.get(), value.data());
  if (H5Tis_variable_str(type.get()) > 0) {
    H5Dvlen_reclaim(type.get(), space.get(), H5P_DEFAULT, value.data());
  }
  return status;
}

void copy_attributes(const File& source, hid_t from, const std::string& path,
                     const Group& destination, hid_t to) {
  AttributeCopy copy{&source, &destination, to, path};
  hsize_t position = 0;
  const herr_t status =
      H5Aiterate2(from, H5_INDEX_CRT_ORDER, H5_ITER_INC, &position, copy_attribute, &copy);
  destination.file().check(0, path, "attributes cannot be copied"); // the disk first
  source.check(status, path, "attributes cannot be copied");
}

// The same chunks and filters on both sides: then bytes can be moved without packing them again.
bool same_storage(hid_t a, hid_t b, std::size_t rank) {
  const Handle first(H5Dget_create_plist(a));
  const Handle second(H5Dget_create_plist(b));
  const int n_filters = H5Pget_nfilters(second.get());
  if (H5Pget_layout(first.get()) != H5D_CHUNKED || H5Pget_nfilters(first.get()) != n_filters) {
    return false;
  }
  H5D_fill_value_t fill_a{}, fill_b{}; // of chunks that were never written
  H5Pfill_value_defined(first.get(), &fill_a);
  H5Pfill_value_defined(second.get(), &fill_b);
  if (fill_a != fill_b) return false;
  for (int i = 0; i < n_filters; ++i) {
    const auto filter = [&](hid_t properties) {
      unsigned flags = 0, config = 0;
      std::size_t none = 0; // in and out
      return H5Pget_filter2(properties, static_cast<unsigned>(i), &flags, &none, nullptr, 0,
                            nullptr, &config);
    };
    if (filter(first.get()) != filter(second.get())) return false;
  }
  std::vector<hsize_t> chunk_a(rank), chunk_b(rank);
  H5Pget_chunk(first.get(), static_cast<int>(rank), chunk_a.data());
  H5Pget_chunk(second.get(), static_cast<int>(rank), chunk_b.data());
  return chunk_a == chunk_b;
}

// As they are packed.
void copy_chunk(const File& source, hid_t from, const std::string& path, const Group& destination,
                hid_t to, const std::vector<hsize_t>& offset) {
  hsize_t packed_bytes = 0;
  source.check(H5Dget_chunk_storage_size(from, offset.data(), &packed_bytes), path, "no chunk");
  if (packed_bytes == 0) return; // never written: fill values on both sides
  std::vector<char> packed(packed_bytes);
  std::uint32_t filters = 0;
  source.check(H5Dread_chunk(from, H5P_DEFAULT, offset.data(), &filters, packed.data()), path,
               "chunk cannot be read");
  destination.file().check(
      H5Dwrite_chunk(to, H5P_DEFAULT, filters, offset.data(), packed.size(), packed.data()), path,
      "chunk cannot be written");
}

void copy_numbers(const File& source, hid_t from, const std::string& path, const Group& destination,
                  const Dataset& to) {
  const std::vector<hsize_t> shape = shape_of(source, from, path);
  const Handle type = source.own(H5Dget_type(from), path, "no type");
  const std::size_t item_bytes = H5Tget_size(type.get());
  const std::size_t n = count_values(shape);
  if (n == 0) return;
  const std::vector<hsize_t> chunk = chunk_shape(shape, item_bytes);
  if (!chunk.empty() && same_storage(from, to.id(), shape.size())) {
    check_content(source, from, path);
    for_each_chunk(shape, chunk, [&](const std::vector<hsize_t>& offset) {
      copy_chunk(source, from, path, destination, to.id(), offset);
    });
    return;
  }
  std::vector<char> values(n * item_bytes);
  read_values(source, from, path, type.get(), values.data());
  destination.file().check(
      H5Dwrite(to.id(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), path,
      "cannot be written");
}

// A dataset of the group that is copied; open once, for opening is what takes time.
struct Member {
  std::string name, path;
  Handle dataset;
  std::vector<std::string> dimensions;
  std::vector<hsize_t> shape;
  bool is_scale = false;
};

std::vector<Member> open_members(const File& source, hid_t group, const std::string& path) {
  std::vector<Member> members;
  for (const std::string& name : children(source, path)) {
    Member member{name, path + "/" + name, {}, {}, {}, false};
    member.dataset = open_dataset(source, group, name, member.path);
    member.is_scale = H5DSis_scale(member.dataset.get()) > 0;
    member.dimensions = dimension_names(source, member.dataset.get(), member.path);
    member.shape = shape_of(source, member.dataset.get(), member.path);
    members.push_back(std::move(member));
  }
  return members;
}

void copy_member(const File& source, const Member& member, const Dimensions& axes,
                 const Group& destination) {
  const hid_t from = member.dataset.get();
  if (is_text(source, from, member.path)) {
    const Dataset to = destination.write(member.name, axes, strings_of(source, from, member.path));
    copy_attributes(source, from, member.path, destination, to.id());
    return;
  }
  const Dataset to =
      destination.write(member.name, axes, Values(number_type(source, from, member.path), nullptr));
  copy_numbers(source, from, member.path, destination, to);
  copy_attributes(source, from, member.path, destination, to.id());
}

} // namespace

void copy_group(const File& source, const std::string& path, const Group& destination) {
  const Handle group =
      source.own(H5Gopen2(source.id(), path.c_str(), H5P_DEFAULT), path, "is missing");
  copy_attributes(source, group.get(), path, destination, destination.id());
  const std::vector<Member> members = open_members(source, group.get(), path);
  std::map<std::string, Dimension> dimensions;
  for (const Member& member : members) {
    if (!member.is_scale) continue;
    if (member.shape.size() != 1 || safe_name(member.name) != member.name) {
      source.fail(member.path, "not a scale of one dimension with a plain name");
    }
    copy_member(source, member, {{member.name, member.shape[0], nullptr}}, destination);
    dimensions[member.name] = destination.make_scale(member.name, member.shape[0]);
  }
  for (const Member& member : members) {
    if (member.is_scale) continue;
    Dimensions axes;
    for (std::size_t d = 0; d < member.shape.size(); ++d) {
      const auto known = dimensions.find(member.dimensions.at(d));
      if (known == dimensions.end()) source.fail(member.path, "dimension without a scale");
      if (known->second.size != member.shape[d]) {
        source.fail(member.path, "found " + std::to_string(member.shape[d]) + " values along " +
                                     known->first + ", expected " +
                                     std::to_string(known->second.size));
      }
      axes.push_back(known->second);
    }
    copy_member(source, member, axes, destination);
  }
}

} // namespace boldmill::store
