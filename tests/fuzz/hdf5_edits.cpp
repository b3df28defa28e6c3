#include "tests/fuzz/hdf5_edits.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "pipeline/store/hdf5.hpp"
#include "tests/fuzz/harness.hpp"

namespace boldmill::fuzz {
namespace {

using store::Handle;

constexpr std::size_t kMostEdits = 16;
constexpr std::array kNumbers{0.0,
                              -0.0,
                              1.0,
                              -1.0,
                              0.5,
                              1e308,
                              -1e308,
                              5e-324,
                              2147483647.0,
                              -2147483648.0,
                              4294967296.0,
                              9.3e18,
                              std::numeric_limits<double>::infinity(),
                              -std::numeric_limits<double>::infinity(),
                              std::numeric_limits<double>::quiet_NaN(),
                              1e-12};
const std::array<std::string, 8> kTexts{
    "",       "../../../etc/passwd",       std::string(70000, 'x'), "\xff\xfe\x80",
    "=cmd()", "<script>alert(1)</script>", "\x1b[31mred",           "nan"};
constexpr std::array<hsize_t, 8> kSizes{0, 1, 2, 3, 7, 255, 65535, hsize_t{1} << 34U};

herr_t collect(hid_t, const char* name, const H5L_info_t*, void* data) {
  static_cast<std::vector<std::string>*>(data)->push_back(std::string("/") + name);
  return 0;
}

Handle open(hid_t file, const std::string& path) {
  return Handle(H5Oopen(file, path.c_str(), H5P_DEFAULT));
}

bool is_dataset(const Handle& object) { return H5Iget_type(object.get()) == H5I_DATASET; }

Handle text_type() {
  Handle type(H5Tcopy(H5T_C_S1));
  H5Tset_size(type.get(), H5T_VARIABLE);
  H5Tset_cset(type.get(), H5T_CSET_UTF8);
  return type;
}

// One value, or all of them, of a dataset.
void overwrite(hid_t file, const std::string& path, std::uint8_t place, std::uint8_t value) {
  const Handle object = open(file, path);
  if (!object.valid() || !is_dataset(object)) return;
  const Handle type(H5Dget_type(object.get()));
  const Handle space(H5Dget_space(object.get()));
  const hssize_t n = H5Sget_simple_extent_npoints(space.get());
  if (n <= 0 || n > 1000000) return;
  const auto count = static_cast<std::size_t>(n);
  if (H5Tget_class(type.get()) == H5T_STRING) {
    if (H5Tis_variable_str(type.get()) <= 0) return;
    std::vector<char*> text(count, nullptr);
    if (H5Dread(object.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, text.data()) < 0) return;
    std::vector<const char*> changed(text.begin(), text.end());
    changed[place % count] = kTexts[value % kTexts.size()].c_str();
    H5Dwrite(object.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, changed.data());
    H5Dvlen_reclaim(type.get(), space.get(), H5P_DEFAULT, text.data());
    return;
  }
  std::vector<double> values(count);
  if (H5Dread(object.get(), H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) < 0)
    return;
  if (place == 255) {
    std::fill(values.begin(), values.end(), kNumbers[value % kNumbers.size()]);
  } else {
    values[place % count] = kNumbers[value % kNumbers.size()];
  }
  H5Dwrite(object.get(), H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
}

// Another dataset under the name: of another size, number of axes or type; chunks that were never
// written are as large as it says.
void replace(hid_t file, const std::string& path, std::uint8_t place, std::uint8_t value) {
  const Handle object = open(file, path);
  if (!object.valid() || !is_dataset(object)) return;
  const Handle space(H5Dget_space(object.get()));
  std::array<hsize_t, 32> shape{};
  int rank = std::min(H5Sget_simple_extent_dims(space.get(), shape.data(), nullptr), 4);
  if (rank > 0) {
    hsize_t& size = shape[place % static_cast<std::size_t>(rank)];
    const std::size_t choice = value % (kSizes.size() + 2);
    if (choice < kSizes.size()) {
      size = kSizes[choice];
    } else {
      size = choice == kSizes.size() ? size + 1 : std::max<hsize_t>(size, 1) - 1;
    }
  }
  if (place / 16 % 4 == 1) rank = 0;
  if (place / 16 % 4 == 2) shape[static_cast<std::size_t>(rank++)] = 2;
  const Handle text = text_type();
  const Handle own(H5Dget_type(object.get()));
  const std::array<hid_t, 4> types{own.get(), text.get(), H5T_IEEE_F64LE, H5T_STD_I64LE};
  const Handle properties(H5Pcreate(H5P_DATASET_CREATE));
  if (rank > 0 && value % 2 == 0) {
    const std::array<hsize_t, 32> chunk{64, 1, 1, 1, 1};
    H5Pset_chunk(properties.get(), rank, chunk.data());
  }
  const Handle extent(rank == 0 ? H5Screate(H5S_SCALAR)
                                : H5Screate_simple(rank, shape.data(), nullptr));
  H5Ldelete(file, path.c_str(), H5P_DEFAULT);
  const Handle made(H5Dcreate2(file, path.c_str(), types[place / 64], extent.get(), H5P_DEFAULT,
                               properties.get(), H5P_DEFAULT));
}

void change_attribute(hid_t file, const std::string& path, std::uint8_t place, std::uint8_t value) {
  const Handle object = open(file, path);
  if (!object.valid()) return;
  H5O_info_t info{};
  if (H5Oget_info2(object.get(), &info, H5O_INFO_NUM_ATTRS) < 0 || info.num_attrs == 0) return;
  std::array<char, 256> name{};
  if (H5Aget_name_by_idx(object.get(), ".", H5_INDEX_NAME, H5_ITER_INC, place % info.num_attrs,
                         name.data(), name.size(), H5P_DEFAULT) < 0)
    return;
  H5Adelete(object.get(), name.data());
  if (value < 64) return;
  const bool as_text = value < 128;
  const Handle text = text_type();
  const Handle scalar(H5Screate(H5S_SCALAR));
  const Handle made(H5Acreate2(object.get(), name.data(), as_text ? text.get() : H5T_IEEE_F64LE,
                               scalar.get(), H5P_DEFAULT, H5P_DEFAULT));
  if (as_text) {
    const char* word = kTexts[value % kTexts.size()].c_str();
    H5Awrite(made.get(), text.get(), &word);
  } else {
    const double number = kNumbers[value % kNumbers.size()];
    H5Awrite(made.get(), H5T_NATIVE_DOUBLE, &number);
  }
}

void change_link(hid_t file, const std::string& path, const std::string& other,
                 std::uint8_t value) {
  const std::string name = value % 2 == 0 ? path : path + "/again";
  if (value % 2 == 0) H5Ldelete(file, path.c_str(), H5P_DEFAULT);
  switch (value / 2 % 5) {
  case 0: break; // gone
  case 1: H5Lcreate_hard(file, other.c_str(), file, name.c_str(), H5P_DEFAULT, H5P_DEFAULT); break;
  case 2: H5Lcreate_soft(other.c_str(), file, name.c_str(), H5P_DEFAULT, H5P_DEFAULT); break;
  case 3: H5Lcreate_external("x.h5", "/", file, name.c_str(), H5P_DEFAULT, H5P_DEFAULT); break;
  default: H5Lmove(file, other.c_str(), file, name.c_str(), H5P_DEFAULT, H5P_DEFAULT);
  }
}

// In memory; written back to the file when it is closed.
Handle open_for_editing(const std::filesystem::path& path) {
  const Handle access(H5Pcreate(H5P_FILE_ACCESS));
  H5Pset_fapl_core(access.get(), 1 << 16, true);
  H5Pset_fclose_degree(access.get(), H5F_CLOSE_STRONG);
  H5Pset_libver_bounds(access.get(), H5F_LIBVER_V18, H5F_LIBVER_V18);
  return Handle(H5Fopen(path.c_str(), H5F_ACC_RDWR, access.get()));
}

std::span<const std::uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

} // namespace

EditableFile::EditableFile(const std::filesystem::path& path) : image_(file_bytes(path)) {
  image_.resize(image_.rfind("boldmill-crc64 "));
  const store::Hdf5Lock lock;
  const Handle file = open_for_editing(as_file(bytes_of(image_), "editable.h5"));
  H5Lvisit(file.get(), H5_INDEX_NAME, H5_ITER_INC, collect, &objects_);
  objects_.emplace_back("/");
}

std::filesystem::path EditableFile::edited(std::span<const std::uint8_t> edits) const {
  const std::filesystem::path path = as_file(bytes_of(image_), "edited.h5");
  const store::Hdf5Lock lock;
  const Handle file = open_for_editing(path);
  const std::size_t n = std::min(edits.size() / 4, kMostEdits);
  for (std::size_t i = 0; i < n; ++i) {
    const auto edit = edits.subspan(4 * i, 4);
    // More objects than a byte counts: the upper half of `what` helps.
    const std::string& object = objects_[(edit[0] + 256U * (edit[1] / 8U)) % objects_.size()];
    switch (edit[1] % 8) {
    case 0:
    case 1:
    case 2: overwrite(file.get(), object, edit[2], edit[3]); break;
    case 3:
    case 4: replace(file.get(), object, edit[2], edit[3]); break;
    case 5:
    case 6: change_attribute(file.get(), object, edit[2], edit[3]); break;
    default: change_link(file.get(), object, objects_[edit[2] % objects_.size()], edit[3]);
    }
  }
  return path;
}

} // namespace boldmill::fuzz
