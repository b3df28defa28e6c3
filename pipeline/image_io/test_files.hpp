// For the tests of this part: a scratch folder, whole files, tables of numbers, and a NIfTI header
// put together byte by byte from the published layout, independent of the encoder.
#pragma once

#include <gtest/gtest.h>
#include <tbb/global_control.h>
#include <tbb/task_arena.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "stages/core/error.hpp"

namespace boldmill::image_io {

class TemporaryFolder {
public:
  TemporaryFolder() {
    static int counter = 0;
    path_ = std::filesystem::temp_directory_path() /
            ("boldmill_image_io_" + std::to_string(::getpid()) + "_" + std::to_string(counter++));
    std::filesystem::create_directories(path_);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] std::filesystem::path operator/(const std::string& name) const {
    return path_ / name;
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

private:
  std::filesystem::path path_;
};

inline std::string slurp(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline std::filesystem::path spill(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

// By zlib, to be independent of the library under test.
inline std::string gzip(const std::string& bytes, int level = 6) {
  z_stream z{};
  deflateInit2(&z, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&z, bytes.size()) + 64, '\0');
  z.next_in = reinterpret_cast<unsigned char*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<unsigned int>(bytes.size());
  z.next_out = reinterpret_cast<unsigned char*>(out.data());
  z.avail_out = static_cast<unsigned int>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

inline std::string gunzip(const std::filesystem::path& path) {
  gzFile file = gzopen(path.c_str(), "rb");
  std::string out;
  std::vector<char> buffer(1 << 16);
  for (int got = 0; (got = gzread(file, buffer.data(), 1 << 16)) > 0;) {
    out.append(buffer.data(), static_cast<std::size_t>(got));
  }
  EXPECT_EQ(gzclose(file), Z_OK);
  return out;
}

// A little-endian NIfTI-1 file of int16 zeros. Fields are changed by offset.
struct RawNifti {
  std::string bytes = std::string(352, '\0');

  template <class T>
  RawNifti& set(std::size_t offset, T value) {
    std::memcpy(bytes.data() + offset, &value, sizeof(T));
    return *this;
  }
  RawNifti& dims(std::vector<std::int16_t> sizes) {
    set<std::int16_t>(40, static_cast<std::int16_t>(sizes.size()));
    for (std::size_t i = 0; i < sizes.size(); ++i) set(42 + 2 * i, sizes[i]);
    return *this;
  }
  RawNifti& voxels(std::size_t n_bytes) {
    bytes.resize(352 + n_bytes, '\0');
    return *this;
  }
  RawNifti() {
    set<std::int32_t>(0, 348).set<std::int16_t>(70, 4).set<std::int16_t>(72, 16).set(108, 352.0F);
    for (std::size_t i = 0; i < 8; ++i) set(76 + 4 * i, i == 4 ? 2.0F : 1.0F);
    set<char>(123, 10).set<std::int16_t>(254, 1);
    for (std::size_t row = 0; row < 3; ++row) set(280 + 20 * row, 2.0F);
    std::memcpy(bytes.data() + 344, "n+1", 4);
    dims({4, 3, 2, 5}).voxels(4 * 3 * 2 * 5 * 2);
  }
};

// A TSV with a header: rows by the first column, then values by the header's name.
inline std::map<std::string, std::vector<double>> read_rows(const std::filesystem::path& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  std::map<std::string, std::vector<double>> rows;
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    std::istringstream cells(line);
    std::string name;
    std::getline(cells, name, '\t');
    for (std::string cell; std::getline(cells, cell, '\t');) rows[name].push_back(std::stod(cell));
  }
  return rows;
}

inline std::filesystem::path reference_folder() {
  return std::filesystem::path(BOLDMILL_SOURCE_DIR) / "tests/reference/image_io";
}

inline std::filesystem::path shared_data() {
  const char* given = std::getenv("BOLDMILL_TEST_DATA");
  if (given != nullptr) return given;
  return std::filesystem::path(BOLDMILL_SOURCE_DIR) / "../shared/data";
}

// The error's kind must be input and its message must contain `part`.
template <class Body>
void expect_input_error(Body&& body, const std::string& part) {
  try {
    body();
    ADD_FAILURE() << "no error; expected one with \"" << part << "\"";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::input) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

// Runs `body` with so many threads, however many cores there are.
template <class Body>
void with_threads(int n, Body&& body) {
  const tbb::global_control more(tbb::global_control::max_allowed_parallelism,
                                 static_cast<std::size_t>(n));
  tbb::task_arena arena(n);
  arena.execute(std::forward<Body>(body));
}

} // namespace boldmill::image_io
