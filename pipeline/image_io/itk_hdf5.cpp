// /TransformGroup/N/{TransformType,TransformFixedParameters,TransformParameters}, N = 0 for the
// composite itself.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>

#include "pipeline/image_io/itk_parts.hpp"
#include "pipeline/image_io/itk_transform.hpp"
#include "pipeline/store/hdf5.hpp"
#include "stages/core/error.hpp"

namespace boldmill::image_io {
namespace {

constexpr hsize_t kChunk = 1U << 18U;
constexpr int kMostTransforms = 64;
constexpr double kLargestRatio = 1100.0; // deflate cannot expand by more than 1032
constexpr double kSlackBytes = 65536.0;
constexpr std::size_t kMostText = 256;
constexpr std::uint64_t kMostHeap = 1U << 24U;
constexpr const char* kRoot = "/TransformGroup";

class Writer {
public:
  explicit Writer(const std::filesystem::path& path)
      : file_(path, store::File::Mode::create), root_(make_group(kRoot)) {
    // What ITK 5.2 says of itself; constant, so that the bytes depend on the transform only.
    put_text(file_.id(), "ITKVersion", "5.2.1");
    put_text(file_.id(), "HDFVersion", "1.10.8");
    put_text(file_.id(), "OSName", "Linux");
    put_text(file_.id(), "OSVersion", "");
  }

  void add(const std::string& type, const std::vector<double>& fixed,
           const std::vector<float>& parameters) {
    const store::Handle group = make_group(std::string(kRoot) + "/" + std::to_string(n_++));
    put_text(group.get(), "TransformType", type);
    if (fixed.empty()) return;
    put(group.get(), "TransformFixedParameters", H5T_NATIVE_DOUBLE, fixed.size(), fixed.data());
    put(group.get(), "TransformParameters", H5T_NATIVE_FLOAT, parameters.size(), parameters.data());
    // ITK before 5.0 knew both under a misspelt name.
    link(group.get(), "TransformFixedParameters", "TranformFixedParameters");
    link(group.get(), "TransformParameters", "TranformParameters");
  }

  void close() {
    root_ = store::Handle();
    file_.close();
  }

private:
  store::Handle make_group(const std::string& name) {
    const auto how = file_.own(H5Pcreate(H5P_GROUP_CREATE), name, "no properties");
    H5Pset_obj_track_times(how.get(), false); // the bytes do not depend on the hour
    return file_.own(H5Gcreate2(file_.id(), name.c_str(), H5P_DEFAULT, how.get(), H5P_DEFAULT),
                     name, "cannot be made");
  }

  void put(hid_t where, const char* name, hid_t type, std::size_t n, const void* data) {
    const hsize_t size = n;
    const auto space = file_.own(H5Screate_simple(1, &size, nullptr), name, "no space");
    const auto how = file_.own(H5Pcreate(H5P_DATASET_CREATE), name, "no properties");
    H5Pset_obj_track_times(how.get(), false);
    if (size > 1024) {
      const hsize_t chunk = std::min(size, kChunk);
      file_.check(H5Pset_chunk(how.get(), 1, &chunk), name, "cannot be chunked");
      file_.check(H5Pset_shuffle(how.get()), name, "cannot be shuffled");
      file_.check(H5Pset_deflate(how.get(), 4), name, "cannot be compressed");
    }
    const auto set =
        file_.own(H5Dcreate2(where, name, type, space.get(), H5P_DEFAULT, how.get(), H5P_DEFAULT),
                  name, "cannot be made");
    file_.check(H5Dwrite(set.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data), name,
                "cannot be written");
  }

  void put_text(hid_t where, const char* name, const std::string& text) {
    const auto type = file_.own(H5Tcopy(H5T_C_S1), name, "no type");
    file_.check(H5Tset_size(type.get(), H5T_VARIABLE), name, "no type");
    const char* const pointer = text.c_str();
    put(where, name, type.get(), 1, &pointer);
  }

  void link(hid_t where, const char* from, const char* to) {
    file_.check(H5Lcreate_hard(where, from, where, to, H5P_DEFAULT, H5P_DEFAULT), to,
                "cannot be linked");
  }

  store::File file_;
  store::Handle root_;
  int n_ = 0;
};

class Reader {
public:
  explicit Reader(const std::filesystem::path& path)
      : path_(path), name_(path.filename().string()),
        file_bytes_(static_cast<double>(std::filesystem::file_size(path))),
        file_(path, store::File::Mode::read) {}

  PointMap map() {
    if (!exists(file_.id(), kRoot)) fail("no /TransformGroup, expected a file of ITK transforms");
    std::vector<PointMap::Step> steps;
    int n = 0;
    for (; n < kMostTransforms; ++n) {
      const std::string group = std::string(kRoot) + "/" + std::to_string(n);
      if (!exists(file_.id(), group)) break;
      const std::string type = text(group + "/TransformType");
      const std::string kind = itk_class(type, name_);
      if (kind == "CompositeTransform") {
        if (n > 0) fail(group + ": a composite inside a composite is not read");
        continue;
      }
      if (is_itk_field(kind)) {
        steps.emplace_back(field(group));
      } else {
        steps.emplace_back(linear_map(
            {type, doubles(group, "Parameters"), doubles(group, "FixedParameters")}, name_));
      }
    }
    if (n == kMostTransforms) fail("more than 63 transforms");
    if (steps.empty()) fail("no transform in /TransformGroup, expected at least one");
    return composite_of(std::move(steps));
  }

private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorKind::input, name_ + ": " + what);
  }

  static bool exists(hid_t file, const std::string& path) {
    return H5Lexists(file, path.c_str(), H5P_DEFAULT) > 0;
  }

  // The dataset, whose values are of class `wanted`, and how many they are.
  struct Opened {
    store::Handle set;
    store::Handle type;
    std::size_t n = 0;
  };
  Opened open(const std::string& path, H5T_class_t wanted) {
    if (!exists(file_.id(), path)) fail(path + " is missing");
    Opened opened;
    opened.set = store::Handle(H5Dopen2(file_.id(), path.c_str(), H5P_DEFAULT));
    if (!opened.set.valid()) fail(path + " is no dataset that can be read");
    opened.type = store::Handle(H5Dget_type(opened.set.get()));
    if (H5Tget_class(opened.type.get()) != wanted) {
      fail(path + ": expected " + (wanted == H5T_STRING ? "text" : "real numbers"));
    }
    const store::Handle space(H5Dget_space(opened.set.get()));
    const hssize_t n = H5Sget_simple_extent_npoints(space.get());
    const auto stored = static_cast<double>(H5Dget_storage_size(opened.set.get()));
    const double bytes =
        static_cast<double>(n) * static_cast<double>(H5Tget_size(opened.type.get()));
    if (n < 0 || bytes > std::min(stored, file_bytes_) * kLargestRatio + kSlackBytes) {
      fail(path + " promises " + std::to_string(n) + " values, which the file cannot hold");
    }
    opened.n = static_cast<std::size_t>(n);
    return opened;
  }

  // ITK before 5.0 wrote "Tranform...".
  std::string spelt(const std::string& group, const char* what) {
    const std::string path = group + "/Transform" + what;
    const std::string old = group + "/Tranform" + what;
    return !exists(file_.id(), path) && exists(file_.id(), old) ? old : path;
  }

  std::string text(const std::string& path) {
    const Opened opened = open(path, H5T_STRING);
    if (opened.n != 1) fail(path + ": expected one text");
    if (H5Tis_variable_str(opened.type.get()) > 0) {
      const haddr_t at = H5Dget_offset(opened.set.get());
      if (at == HADDR_UNDEF) fail(path + ": expected a text that is stored in one piece");
      return heap_text(path_, at, path);
    }
    const std::size_t size = H5Tget_size(opened.type.get());
    if (size > kMostText) fail(path + ": a text of " + std::to_string(size) + " bytes");
    std::string value(size, '\0');
    read(opened, opened.type.get(), value.data(), path);
    return value.substr(0, value.find('\0'));
  }

  // A text of variable length, read here: HDF5 1.10 itself crashes on a damaged heap. At `at` are
  // the length (4 bytes), the heap's address (8) and the number of the text in it (4); a heap is
  // "GCOL", version 1, its size, then objects of number (2), references (2), 4 unused bytes, size
  // (8) and data padded to 8.
  std::string heap_text(const std::filesystem::path& file, haddr_t at, const std::string& path) {
    std::size_t address_bytes = 0;
    std::size_t size_bytes = 0;
    const store::Handle creation(H5Fget_create_plist(file_.id()));
    H5Pget_sizes(creation.get(), &address_bytes, &size_bytes);
    hsize_t user_block = 0;
    H5Pget_userblock(creation.get(), &user_block);
    if (address_bytes != 8 || size_bytes != 8 || user_block != 0) {
      fail(path + ": expected a file with addresses of 8 bytes and no user block");
    }
    std::ifstream bytes(file, std::ios::binary);
    const auto get = [&](haddr_t where, char* out, std::size_t n) {
      bytes.seekg(static_cast<std::streamoff>(std::min<haddr_t>(where, haddr_t{1} << 62U)));
      if (!bytes.read(out, static_cast<std::streamsize>(n))) {
        fail(path + " cannot be read, the file is damaged");
      }
    };
    char entry[16];
    get(at, entry, sizeof entry);
    std::uint64_t heap = 0;
    std::uint32_t number = 0;
    std::memcpy(&heap, entry + 4, 8);
    std::memcpy(&number, entry + 12, 4);
    char head[16];
    get(heap, head, sizeof head);
    std::uint64_t heap_bytes = 0;
    std::memcpy(&heap_bytes, head + 8, 8);
    if (std::memcmp(head, "GCOL\1", 5) != 0 || heap_bytes > kMostHeap) {
      fail(path + " cannot be read, the file is damaged");
    }
    for (std::uint64_t offset = 16; offset + 16 <= heap_bytes;) {
      char object[16];
      get(heap + offset, object, sizeof object);
      std::uint16_t index = 0;
      std::uint64_t size = 0;
      std::memcpy(&index, object, 2);
      std::memcpy(&size, object + 8, 8);
      if (index == 0 || size > heap_bytes) break; // the free space at the end
      if (index == number && size <= kMostText) {
        std::string value(size, '\0');
        get(heap + offset + 16, value.data(), size);
        return value.substr(0, value.find('\0'));
      }
      offset += 16 + (size + 7) / 8 * 8;
    }
    fail(path + " cannot be read, the file is damaged");
  }

  void read(const Opened& opened, hid_t type, void* out, const std::string& path) {
    if (H5Dread(opened.set.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out) < 0) {
      fail(path + " cannot be read, the file is damaged");
    }
  }

  std::vector<double> doubles(const std::string& group, const char* what) {
    const std::string path = spelt(group, what);
    if (group.empty() || !exists(file_.id(), path)) return {};
    const Opened opened = open(path, H5T_FLOAT);
    if (opened.n > 64) fail(path + " has " + std::to_string(opened.n) + " values, expected few");
    std::vector<double> values(opened.n);
    if (opened.n > 0) read(opened, H5T_NATIVE_DOUBLE, values.data(), path);
    return values;
  }

  std::shared_ptr<const DisplacementField> field(const std::string& group) {
    auto field = std::make_shared<DisplacementField>();
    field->grid = field_grid(doubles(group, "FixedParameters"), name_);
    const std::string path = spelt(group, "Parameters");
    const Opened opened = open(path, H5T_FLOAT);
    if (opened.n != 3 * field->grid.n_voxels()) {
      fail(path + " has " + std::to_string(opened.n) + " values, expected " +
           std::to_string(3 * field->grid.n_voxels()) + " for its grid");
    }
    field->mm.resize(opened.n);
    read(opened, H5T_NATIVE_FLOAT, field->mm.data(), path);
    if (!flip_vectors(field->mm)) fail(path + " has displacements that are not finite");
    return field;
  }

  std::filesystem::path path_;
  std::string name_;
  double file_bytes_;
  store::File file_;
};

} // namespace

PointMap read_itk_hdf5(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  std::error_code code;
  if (!std::filesystem::is_regular_file(path, code)) {
    throw Error(ErrorKind::input, name + ": cannot be opened, expected a file");
  }
  const store::Hdf5Lock lock;
  return Reader(path).map();
}

void write_composite_xfm(const std::filesystem::path& path, const PointMap& map) {
  const store::Hdf5Lock lock;
  store::PartFile part(path);
  Writer file(part.part());
  file.add("CompositeTransform_float_3_3", {}, {});
  if (map.steps.empty()) {
    file.add("AffineTransform_float_3_3", {0, 0, 0}, {1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0});
  }
  for (std::size_t n = map.steps.size(); n-- > 0;) {
    if (const auto* affine = std::get_if<Affine>(&map.steps[n])) {
      const std::vector<double> exact = affine_parameters(*affine);
      file.add("AffineTransform_float_3_3", {0, 0, 0}, {exact.begin(), exact.end()});
      continue;
    }
    const DisplacementField& field = *std::get<1>(map.steps[n]);
    std::vector<float> vectors = field.mm;
    if (!flip_vectors(vectors)) {
      throw Error(ErrorKind::internal, "write transform: found a displacement that is not finite");
    }
    file.add("DisplacementFieldTransform_float_3_3", field_parameters(field.grid), vectors);
  }
  file.close();
  part.publish();
}

} // namespace boldmill::image_io
